//! The only room that names rustls: what a TLS connection of ours must be.
//!
//! TLS 1.3 and 1.2 and nothing older, no 0-RTT, and only the cipher suites of
//! the ring provider: all of them AEAD with forward secrecy, none of them listed in
//! RFC 7540 appendix A (Transfer via MQTT v1.0, appendix B). The provider is
//! given explicitly, since a build may hold more than one.

mod server;

use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, version};

pub use server::{Secured, ServerFiles, ServerStream, ServerTls};

/// The files a client needs for TLS.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClientFiles {
    /// PEM file with the authorities we trust; the system's own when absent.
    pub authorities: Option<PathBuf>,
    /// PEM file with our certificate and what leads to its authority, and the
    /// PEM file with its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Settings of a TLS client, checked and ready.
#[derive(Clone)]
pub struct ClientTls(Arc<ClientConfig>);

impl fmt::Debug for ClientTls {
    /// Says nothing of what is in it: there is a private key among it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

/// Why there is no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read, or is not PEM.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: pem::Error,
    },
    /// A PEM file holds no certificate.
    #[error("{path}: holds no certificate")]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// An authority's certificate could not be understood.
    #[error("{path}: {reason}")]
    Authority {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: rustls::Error,
    },
    /// No authorities for those who call can be made of a file.
    #[error("{path}: {reason}")]
    ClientAuthorities {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: rustls::server::VerifierBuilderError,
    },
    /// The system has no authorities, and no file was named.
    #[error("this system has no certificate authorities, and no ca-file is set ({problem})")]
    NoSystemAuthorities {
        /// What went wrong while looking, if something did.
        problem: String,
    },
    /// A PEM file holds no private key.
    #[error("{path}: holds no private key")]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// A private key that cannot be used.
    #[error("{path}: {reason}")]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: rustls::Error,
    },
    /// Certificate and key do not fit together, or the key cannot be used.
    #[error("{certificate} with {key}: {reason}")]
    Identity {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        reason: rustls::Error,
    },
}

impl ClientTls {
    /// Reads the files and makes the settings.
    ///
    /// A key file that others can read is a warning in the log, not an error: the
    /// key may have come from a secret store that mounts it so.
    pub fn load(files: &ClientFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusting = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .expect("the ring provider has suites for TLS 1.3 and 1.2")
            .with_root_certificates(authorities(files.authorities.as_deref())?);
        let mut config = match &files.identity {
            None => trusting.with_no_client_auth(),
            Some((certificate, key)) => {
                warn_if_exposed(key);
                let chain = certificates(certificate)?;
                let secret = secret(key)?;
                trusting.with_client_auth_cert(chain, secret).map_err(|reason| {
                    TlsError::Identity {
                        certificate: certificate.clone(),
                        key: key.clone(),
                        reason,
                    }
                })?
            }
        };
        // 0-RTT data can be replayed by whoever sees it.
        config.enable_early_data = false;
        Ok(Self(Arc::new(config)))
    }

    /// The settings as the libraries of the other rooms take them.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

impl ClientFiles {
    /// Whether there are authorities, and all of them can be understood.
    pub fn check_authorities(&self) -> Result<(), TlsError> {
        authorities(self.authorities.as_deref()).map(drop)
    }

    /// Whether the file of our certificate holds one.
    pub fn check_certificate(&self) -> Result<(), TlsError> {
        let Some((certificate, _)) = &self.identity else { return Ok(()) };
        certificates(certificate).map(drop)
    }

    /// Whether the file of our key holds one that can be used.
    pub fn check_key(&self) -> Result<(), TlsError> {
        let Some((_, key)) = &self.identity else { return Ok(()) };
        let keys = rustls::crypto::ring::default_provider().key_provider;
        let usable = keys.load_private_key(secret(key)?);
        usable.map(drop).map_err(|reason| TlsError::Key { path: key.clone(), reason })
    }

    /// Whether our certificate is that of our key. Of use once each of the two is in order.
    pub fn check_identity(&self) -> Result<(), TlsError> {
        let Some((certificate, key)) = &self.identity else { return Ok(()) };
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(certificates(certificate)?, secret(key)?, &provider)
            .map(drop)
            .map_err(|reason| TlsError::Identity {
                certificate: certificate.clone(),
                key: key.clone(),
                reason,
            })
    }
}

fn secret(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|reason| match reason {
        pem::Error::NoItemsFound => TlsError::NoKey { path: path.to_owned() },
        reason => TlsError::File { path: path.to_owned(), reason },
    })
}

fn authorities(path: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let Some(path) = path else {
        let found = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(found.certs);
        if store.is_empty() {
            let problem =
                found.errors.first().map_or_else(|| "none found".into(), ToString::to_string);
            return Err(TlsError::NoSystemAuthorities { problem });
        }
        return Ok(store);
    };
    for certificate in certificates(path)? {
        store
            .add(certificate)
            .map_err(|reason| TlsError::Authority { path: path.to_owned(), reason })?;
    }
    Ok(store)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |reason| TlsError::File { path: path.to_owned(), reason };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(file)?
        .collect::<Result<_, _>>()
        .map_err(file)?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(found)
}

/// Whether an error is one side's refusal of the other: of a certificate, a version, a cipher.
#[must_use]
pub fn is_refusal(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
}

/// What changes when a file is written or replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// When it was written, in nanoseconds since 1970-01-01T00:00:00Z.
    written_ns: i64,
    bytes: u64,
    inode: u64,
}

impl Stamp {
    /// Of a file as it is now; `None` where there is none.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            written_ns: found.mtime().saturating_mul(1_000_000_000) + found.mtime_nsec(),
            bytes: found.len(),
            inode: found.ino(),
        })
    }
}

/// Logs a warning where a file with a secret can be read by others than its owner.
pub fn warn_if_exposed(path: &Path) {
    if let Ok(found) = std::fs::metadata(path) {
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), mode = format!("{mode:o}"), "a secret that others can read; chmod 600 is better");
        }
    }
}
