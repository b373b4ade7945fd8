//! broker/certs.sh: who can do what with the certificates that it makes.

use std::process::{Command, Output};

use tempfile::TempDir;

use super::said;
use crate::source;
use crate::support::tools;

fn certs(folder: &TempDir, words: &[&str]) -> Output {
    let mut script = Command::new(source::root().join("broker/certs.sh"));
    script.arg("certs").args(words).current_dir(folder.path()).output().unwrap()
}

/// Whether openssl would take this certificate for this purpose, at this host where one is given.
fn is_good_for(folder: &TempDir, name: &str, purpose: &str, host: Option<&str>) -> bool {
    let mut openssl = Command::new("openssl");
    openssl.args(["verify", "-x509_strict", "-CAfile", "certs/ca.crt", "-purpose", purpose]);
    if let Some(host) = host {
        openssl.args(["-verify_hostname", host]);
    }
    openssl.arg(format!("certs/{name}.crt"));
    openssl.current_dir(folder.path()).output().unwrap().status.success()
}

#[test]
fn each_party_can_be_what_its_certificate_says_and_nothing_else() {
    let test = "each_party_can_be_what_its_certificate_says_and_nothing_else";
    if !tools::has("openssl", test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let parties = ["broker.example", "bridge@bridge.example", "soar-1", "edr-1@edr.example"];
    let made = certs(&folder, &parties);
    assert!(made.status.success(), "{}", said(&made));
    #[rustfmt::skip]
    let cases = [
        // name    as a client, as a server at
        ("server", false, Some("broker.example"), true),
        ("server", false, Some("bridge.example"), false),
        ("bridge", true,  Some("bridge.example"), true),
        ("bridge", true,  Some("localhost"),      true),
        ("bridge", true,  Some("broker.example"), false),
        ("edr-1",  true,  Some("edr.example"),    true),
        ("soar-1", true,  None,                   false),
    ];
    for (name, as_client, host, as_server) in cases {
        assert_eq!(is_good_for(&folder, name, "sslclient", None), as_client, "{name}");
        assert_eq!(is_good_for(&folder, name, "sslserver", host), as_server, "{name} {host:?}");
    }
    // What is there stays: the authority signs further ones.
    let before = std::fs::read(folder.path().join("certs/ca.crt")).unwrap();
    let made = certs(&folder, &["broker.example", "soar-2"]);
    assert_eq!(String::from_utf8_lossy(&made.stdout), "certs/soar-2.crt\n");
    assert_eq!(std::fs::read(folder.path().join("certs/ca.crt")).unwrap(), before);
    assert!(is_good_for(&folder, "soar-2", "sslclient", None));
}

#[test]
fn a_party_without_a_name_or_host_is_refused() {
    if !tools::has("openssl", "a_party_without_a_name_or_host_is_refused") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (party, told) in [
        ("@edr.example", "no name for a client: ''"),
        ("ca@edr.example", "no name for a client: 'ca'"),
        ("a b", "no name for a client: 'a b'"),
        ("edr-1@", "no host in 'edr-1@'"),
    ] {
        let refused = certs(&folder, &["broker.example", party]);
        assert_eq!(refused.status.code(), Some(64), "{party}");
        assert!(said(&refused).contains(told), "{party}: {}", said(&refused));
    }
}

/// Folders that a checkout has beside what is in the repository.
const NOT_OURS: [&str; 4] = [".git", "target", "certs", "data"];

#[test]
fn no_key_is_in_the_repository() {
    let ignored = std::fs::read_to_string(source::root().join(".gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "/certs"), "{ignored}");
    let mut folders = vec![source::root().to_owned()];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if NOT_OURS.iter().any(|name| entry.file_name() == **name) && kind.is_dir() {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let text = std::fs::read(&path).unwrap();
                let text = String::from_utf8_lossy(&text);
                let is_key =
                    |line: &str| line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY");
                assert!(!text.lines().any(is_key), "{}", path.display());
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 100, "only {looked_at}");
}
