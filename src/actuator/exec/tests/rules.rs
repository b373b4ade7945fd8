//! Which programs are accepted.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::actuator::exec::{ExecError, Mode, RunAs};

fn complaint(config: ExecConfig) -> String {
    match Exec::new("probe", config) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn with_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn mistakes_in_the_settings_are_named() {
    type Mistake = fn(&mut ExecConfig);
    let cases: [(&str, Mistake, &str); 12] = [
        ("nothing wrong", |_| (), "accepted"),
        ("no command", |c| c.command.clear(), "command is empty"),
        ("a relative path", |c| c.command[0] = "probe".to_owned(), "\"probe\" is no absolute path"),
        ("no such file", |c| c.command[0] = "/nowhere/probe".to_owned(), "cannot be looked at"),
        ("a directory", |c| c.command[0] = "/usr".to_owned(), "no regular file"),
        ("a NUL", |c| c.command.push("a\0b".to_owned()), "NUL character"),
        ("a foreign variable", |c| drop(c.env.insert("LD_PRELOAD".into(), "x".into())), "OPENC2_"),
        ("one of ours", |c| drop(c.env.insert("OPENC2_MODE".into(), "x".into())), "OPENC2_MODE"),
        ("no time", |c| c.timeout = Duration::ZERO, "timeout is 0ns, allowed are 1 ms to 1 day"),
        ("for ever", |c| c.timeout = Duration::MAX, "allowed are 1 ms to 1 day"),
        (
            "a configuration that nothing reads",
            |c| drop(c.config.insert("a".into(), json!(1))),
            "mode = \"stream\"",
        ),
        ("no such work-dir", |c| c.work_dir = Some("/nowhere".into()), "cannot be looked at"),
    ];
    let fixture = Fixture::new(RESPONSE);
    for (story, mistake, text) in cases {
        let mut config = fixture.config();
        mistake(&mut config);
        let complaint = complaint(config);
        assert!(complaint.contains(text), "{story}: {complaint}");
    }
}

#[test]
fn a_program_that_others_could_replace_is_refused() {
    #[rustfmt::skip]
    let cases = [
        // file    its directory  the one above
        (0o755,    0o755,         0o755,   "accepted"),
        (0o500,    0o700,         0o1777,  "accepted"),
        (0o644,    0o755,         0o755,   "not executable: chmod 0755"),
        (0o775,    0o755,         0o755,   "program\" can be written by its group or by everybody (mode 0775): chmod go-w"),
        (0o757,    0o755,         0o755,   "program\" can be written"),
        (0o755,    0o775,         0o755,   "lib\" can be written"),
        (0o755,    0o1777,        0o755,   "lib\" can be written"),
        (0o755,    0o755,         0o777,   "above\" can be written"),
    ];
    for (file, directory, above, text) in cases {
        let root = TempDir::new().unwrap();
        let lib = root.path().join("above/lib");
        fs::create_dir_all(&lib).unwrap();
        let program = lib.join("program");
        fs::write(&program, "").unwrap();
        let config = ExecConfig {
            command: vec![program.to_str().unwrap().to_owned()],
            allow_root: true,
            ..ExecConfig::default()
        };
        with_mode(&program, file);
        with_mode(&lib, directory);
        with_mode(&root.path().join("above"), above);

        let complaint = complaint(config);
        assert!(complaint.contains(text), "{file:o} {directory:o} {above:o}: {complaint}");
    }
}

#[test]
fn a_link_is_followed_and_must_be_safe_itself() {
    let fixture = Fixture::new(RESPONSE);
    for (mode, text) in [(0o755, "accepted"), (0o777, "links\" can be written")] {
        let links = fixture.path("links");
        fs::remove_dir_all(&links).ok();
        fs::create_dir(&links).unwrap();
        symlink(fixture.path("program"), links.join("program")).unwrap();
        with_mode(&links, mode);
        let mut config = fixture.config();
        config.command[0] = links.join("program").to_str().unwrap().to_owned();
        let complaint = complaint(config);
        assert!(complaint.contains(text), "{mode:o}: {complaint}");
    }
}

#[test]
fn a_directory_to_work_in_must_be_out_of_the_reach_of_others() {
    let fixture = Fixture::new(RESPONSE);
    let directory = fixture.path("work");
    fs::create_dir(&directory).unwrap();
    for (mode, text) in [(0o700, "accepted"), (0o770, "can be written"), (0o1777, "can be written")]
    {
        with_mode(&directory, mode);
        let config = ExecConfig { work_dir: Some(directory.clone()), ..fixture.config() };
        let complaint = complaint(config);
        assert!(complaint.contains(text), "{mode:o}: {complaint}");
    }
    let config = ExecConfig { work_dir: Some(fixture.path("program")), ..fixture.config() };
    assert!(matches!(Exec::new("probe", config), Err(ExecError::NotADirectory { .. })));
}

#[test]
fn whom_a_program_runs_as_depends_on_who_we_are() {
    let fixture = Fixture::new(RESPONSE);
    let run_as = |user: &str, group: Option<&str>| {
        Some(RunAs { user: user.to_owned(), group: group.map(str::to_owned) })
    };
    #[rustfmt::skip]
    let cases = [
        // run-as                          allow-root  as root            as another
        (None,                             false,      "would run as root", "accepted"),
        (None,                             true,       "accepted",          "accepted"),
        (run_as("nobody", None),           false,      "accepted",          "needs a bridge that runs as root"),
        (run_as("root", None),             false,      "would run as root", "would run as root"),
        (run_as("0", None),                true,       "accepted",          "needs a bridge that runs as root"),
        (run_as("no-such-user", None),     true,       "no user \"no-such-user\"", "no user \"no-such-user\""),
        (run_as("nobody", Some("no-such-group")), true, "no group \"no-such-group\"", "no group \"no-such-group\""),
        (run_as("nobody", Some("0")),      false,      "accepted",          "needs a bridge that runs as root"),
    ];
    for (run_as, allow_root, as_root, as_another) in cases {
        let story = format!("{run_as:?}, allow-root = {allow_root}");
        let config = ExecConfig { run_as, allow_root, work_dir: None, ..fixture.config() };
        let expected = if nix::unistd::geteuid().is_root() { as_root } else { as_another };
        let complaint = complaint(config);
        assert!(complaint.contains(expected), "{story}: {complaint}");
    }
}

#[test]
fn nothing_is_started_or_made_by_looking() {
    let fixture = Fixture::new(RESPONSE);
    let config = ExecConfig { mode: Mode::Stream, ..fixture.config() };
    Exec::new("probe", config).unwrap();
    assert_eq!(fixture.starts(), 0);
}
