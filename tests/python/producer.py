"""A producer that is not ours: paho-mqtt sends a command and prints the response.

    producer.py PORT PREFIX TO VERSION QOS MESSAGE

PREFIX is what every topic begins with, TO the rest of the command topic, VERSION 5 or 311,
MESSAGE the OpenC2 message. Prints a JSON object with the topic, the properties and the
payload of the response to it. Ends with 1 when nothing comes in time.
"""

import json
import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

# Longest wait for anything, in seconds.
PATIENCE = 10

VERSIONS = {"5": mqtt.MQTTv5, "311": mqtt.MQTTv311}


def request_properties():
    """What Transfer via MQTT v1.0, section 3.2, wants beside the payload."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.PayloadFormatIndicator = 1
    properties.ContentType = "application/openc2"
    properties.UserProperty = [("msgType", "req"), ("encoding", "json")]
    return properties


def main(port, prefix, to, version, qos, message):
    is_version_5 = version == "5"
    producer = json.loads(message)["headers"]["from"]
    subscribed, responses = queue.Queue(), queue.Queue()

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=VERSIONS[version])
    client.on_connect = lambda client, *_: client.subscribe(
        [(f"{prefix}/rsp", 1), (f"{prefix}/rsp/{producer}", 1)]
    )
    client.on_subscribe = lambda client, userdata, mid, codes, properties: subscribed.put(codes)
    client.on_message = lambda client, userdata, response: responses.put(response)
    client.connect("127.0.0.1", int(port))
    client.loop_start()
    if any(code.is_failure for code in subscribed.get(timeout=PATIENCE)):
        sys.exit("a subscription was refused")

    properties = request_properties() if is_version_5 else None
    sent = client.publish(f"{prefix}/cmd/{to}", message, qos=int(qos), properties=properties)
    # With QoS 2 that is the whole handshake, PUBCOMP included.
    sent.wait_for_publish(timeout=PATIENCE)
    try:
        response = responses.get(timeout=PATIENCE)
    except queue.Empty:
        sys.exit("no response")
    found = response.properties.json() if is_version_5 else {}
    print(
        json.dumps(
            {
                "topic": response.topic,
                "qos": response.qos,
                "retain": response.retain,
                "properties": found,
                "message": json.loads(response.payload),
            }
        )
    )
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
