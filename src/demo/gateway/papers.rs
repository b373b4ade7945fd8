//! Certificates for one demo: made when it begins, gone when it ends.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// How long they are good for: longer than anybody tries things out.
const VALID: Duration = Duration::from_hours(7 * 24);

/// How much earlier they begin, for clocks that were set back meanwhile.
const BEFORE: Duration = Duration::from_hours(1);

/// Name of the authority, for people.
const AUTHORITY: &str = "oc2 demo";

/// An authority of this demo alone, and what it has signed: a certificate for the server and
/// one for a client, as PEM files in a folder that only we may enter.
///
/// The key of the authority never leaves the memory: nobody can sign anything else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Papers {
    folder: PathBuf,
    client: String,
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum PapersError {
    /// They cannot be made.
    #[error("they cannot be made")]
    Make(#[from] rcgen::Error),
    /// They cannot be written.
    #[error("{} cannot be written", .path.display())]
    Write {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Papers {
    /// Makes them for a server of these host names and addresses, and for a client of this
    /// name. `folder` must not exist.
    pub fn make(folder: &Path, servers: &[&str], client: &str) -> Result<Self, PapersError> {
        let made = DirBuilder::new().mode(0o700).create(folder);
        made.map_err(|source| PapersError::Write { path: folder.to_owned(), source })?;
        let papers = Self::at(folder, client);

        let mut params = named(AUTHORITY, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        write(&papers.authority(), &authority.pem())?;

        let (certificate, key) = papers.server();
        let mut params = named(servers.first().copied().unwrap_or(AUTHORITY), servers)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        sign(params, &authority, &certificate, &key)?;

        let (certificate, key) = papers.client();
        let mut params = named(client, &[client])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        sign(params, &authority, &certificate, &key)?;
        Ok(papers)
    }

    /// Those of a client of this name, where they are already, or are to be.
    #[must_use]
    pub fn at(folder: &Path, client: &str) -> Self {
        Self { folder: folder.to_owned(), client: client.to_owned() }
    }

    /// Certificate of the authority.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Certificate and key of the server.
    #[must_use]
    pub fn server(&self) -> (PathBuf, PathBuf) {
        self.of("server")
    }

    /// Certificate and key of the client.
    #[must_use]
    pub fn client(&self) -> (PathBuf, PathBuf) {
        self.of(&self.client)
    }

    fn of(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.folder.join(format!("{name}.crt")), self.folder.join(format!("{name}.key")))
    }
}

fn named(name: &str, alternatives: &[&str]) -> Result<CertificateParams, PapersError> {
    let alternatives: Vec<_> = alternatives.iter().map(|&it| it.to_owned()).collect();
    let mut params = CertificateParams::new(alternatives)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(BEFORE);
    params.not_after = epoch + now + VALID;
    Ok(params)
}

fn sign(
    mut params: CertificateParams,
    authority: &CertifiedIssuer<'_, KeyPair>,
    certificate: &Path,
    key: &Path,
) -> Result<(), PapersError> {
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let pair = KeyPair::generate()?;
    write(certificate, &params.signed_by(&pair, authority)?.pem())?;
    write(key, &pair.serialize_pem())
}

/// Writes a new file that is for us alone.
fn write(path: &Path, text: &str) -> Result<(), PapersError> {
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = written.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| PapersError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_for_their_owner_and_the_authority_keeps_its_own_to_itself() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("certs");
        let papers = Papers::make(&folder, &["localhost", "127.0.0.1"], "somebody").unwrap();

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let mut files: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["ca.crt", "server.crt", "server.key", "somebody.crt", "somebody.key"]);
        for file in files {
            assert_eq!(mode(&folder.join(file)), 0o600);
        }
        assert_eq!(papers.client().1, folder.join("somebody.key"));

        // Not over what is there already.
        let again = Papers::make(&folder, &["localhost"], "somebody").unwrap_err().to_string();
        assert!(again.ends_with("certs cannot be written"), "{again}");
    }

    #[test]
    fn no_two_demos_have_the_same_authority() {
        let parent = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| {
            let papers = Papers::make(&parent.path().join(name), &["localhost"], "somebody");
            fs::read_to_string(papers.unwrap().authority()).unwrap()
        });
        assert_ne!(one, two);
    }
}
