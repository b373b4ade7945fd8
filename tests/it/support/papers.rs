//! Certificates, made by openssl for one test alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// An authority, and what it has signed: made by openssl, for this test alone.
pub struct Papers {
    folder: TempDir,
}

impl Papers {
    pub fn new() -> Self {
        let papers = Self { folder: tempfile::tempdir().unwrap() };
        papers.authority("ca");
        papers.authority("other-ca");
        papers.signed("server", "ca", "subjectAltName=DNS:localhost,IP:127.0.0.1", "30");
        papers.signed("elsewhere", "ca", "subjectAltName=DNS:elsewhere.example", "30");
        papers.signed("client", "ca", "extendedKeyUsage=clientAuth", "30");
        papers
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn authority(&self, name: &str) {
        self.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN={name} \
             -keyout {name}.key -out {name}.pem"
        ));
    }

    pub fn signed(&self, name: &str, authority: &str, extension: &str, days: &str) {
        std::fs::write(self.path("extensions"), extension).unwrap();
        self.openssl(&format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} \
             -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial \
             -days {days} -extfile extensions -out {name}.pem"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .expect("openssl is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
