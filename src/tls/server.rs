//! The server's side: certificates of our own and of those who call, read again when they change.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, version};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::{Stamp, TlsError, authorities, certificates, secret, warn_if_exposed};

/// What is offered for HTTP, best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The files are looked at when a connection comes, and no more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An encrypted connection that somebody opened to us.
pub type ServerStream = tokio_rustls::server::TlsStream<TcpStream>;

/// The files a server needs for TLS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerFiles {
    /// PEM file with our certificate and what leads to its authority.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// PEM file with the authorities that may vouch for those who call.
    pub client_authorities: PathBuf,
}

/// A TLS server that asks everybody for a certificate.
///
/// Files that change are read again before the next handshake; connections
/// that are open stay as they are. Files that cannot be used are refused with
/// an error in the log, and the old ones stay.
pub struct ServerTls {
    files: ServerFiles,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    acceptor: TlsAcceptor,
    stamps: [Option<Stamp>; 3],
    looked: Instant,
}

/// A connection after its handshake.
pub struct Secured {
    /// The connection.
    pub stream: ServerStream,
    /// The subject alternative names of the caller's certificate, in its
    /// order: `URI:…`, `DNS:…` and `EMAIL:…`.
    pub names: Vec<String>,
}

impl fmt::Debug for ServerTls {
    /// Says nothing of what is in it: there is a private key among it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

impl ServerTls {
    /// Reads the files and makes the settings.
    pub fn load(files: ServerFiles) -> Result<Self, TlsError> {
        let stamps = files.stamps();
        let acceptor = files.acceptor()?;
        let loaded = Mutex::new(Loaded { acceptor, stamps, looked: Instant::now() });
        Ok(Self { files, loaded })
    }

    /// Shakes hands.
    pub async fn accept(&self, tcp: TcpStream) -> io::Result<Secured> {
        let stream = self.acceptor().accept(tcp).await?;
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let names = certificates.first().map(|it| names(it)).unwrap_or_default();
        Ok(Secured { stream, names })
    }

    fn acceptor(&self) -> TlsAcceptor {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.looked.elapsed() >= LOOK_EVERY {
            loaded.looked = Instant::now();
            let stamps = self.files.stamps();
            if stamps != loaded.stamps {
                loaded.stamps = stamps;
                match self.files.acceptor() {
                    Ok(acceptor) => {
                        loaded.acceptor = acceptor;
                        tracing::info!("new certificates are in use from here on");
                    }
                    Err(error) => {
                        tracing::error!(%error, "new certificates are refused; the old ones stay");
                    }
                }
            }
        }
        loaded.acceptor.clone()
    }
}

impl ServerFiles {
    /// Whether the files can be used, and fit together.
    pub fn check(&self) -> Result<(), TlsError> {
        self.acceptor().map(drop)
    }

    fn stamps(&self) -> [Option<Stamp>; 3] {
        [&self.certificate, &self.key, &self.client_authorities].map(|path| Stamp::of(path))
    }

    fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        warn_if_exposed(&self.key);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusted = Arc::new(authorities(Some(&self.client_authorities))?);
        let verifier = WebPkiClientVerifier::builder_with_provider(trusted, Arc::clone(&provider))
            .build()
            .map_err(|reason| TlsError::ClientAuthorities {
                path: self.client_authorities.clone(),
                reason,
            })?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .expect("the ring provider has suites for TLS 1.3 and 1.2")
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates(&self.certificate)?, secret(&self.key)?)
            .map_err(|reason| TlsError::Identity {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
                reason,
            })?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        // No 0-RTT (Transfer via HTTPS v1.1, section 3.2.3): it can be replayed.
        config.max_early_data_size = 0;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// The names that a certificate's holder goes by. What cannot be read has none.
fn names(certificate: &[u8]) -> Vec<String> {
    let Ok(certificate) = Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate.get() else {
        return Vec::new();
    };
    names
        .iter()
        .filter_map(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) => Some(format!("URI:{uri}")),
            GeneralName::DnsName(name) => Some(format!("DNS:{name}")),
            GeneralName::Rfc822Name(address) => Some(format!("EMAIL:{address}")),
            _ => None,
        })
        .collect()
}
