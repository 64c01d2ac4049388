//! A backup as a tar stream.

use super::{Node, SMALL, Value, events, fill, lines, mainstay, offline, paths, shown, text};
use crate::node::run;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a backup of a node into a file.
pub(crate) fn back_up(node: &Node, file: &Path) {
    let mut command = mainstay();
    command.args(["--url", &node.url, "backup", "-"]).stdin(Stdio::null());
    let ran = command.stdout(File::create(file).unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success() && said.contains(" events, "), "{said}");
}

#[test]
fn a_stream_is_restored_from_a_file_or_from_standard_input_and_tar_unpacks_it_to_a_directory_of_backups() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    fill(&node);
    let (want, lists) = (events(&node, &[]), shown(&node));
    let file = scratch.path().join("backup.tar");
    back_up(&node, &file);
    drop(node);

    let said = offline(&["restore", text(&file), "--data", text(&restored), "--output", "json"]).ok();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["events"].as_u64().unwrap(), want.len() as u64);
    let node = Node::start_with(&restored, SMALL);
    assert_eq!((events(&node, &[]), shown(&node)), (want.clone(), lists));
    drop(node);

    let again = scratch.path().join("again");
    let mut command = mainstay();
    command.args(["restore", "-", "--data", text(&again)]).stdin(File::open(&file).unwrap());
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(events(&Node::start_with(&again, SMALL), &[]), want);

    std::fs::create_dir(&backups).unwrap();
    let tar = Command::new("tar").args(["-xf", text(&file), "-C", text(&backups)]).status();
    assert!(tar.unwrap().success());
    offline(&["backups", "verify", text(&backups)]).ok();
    let names: Vec<_> =
        std::fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !names.iter().any(|name| name.to_string_lossy().starts_with('.')),
        "nothing is left of it: {names:?}"
    );
}

#[test]
fn a_stream_that_was_cut_off_or_damaged_anywhere_is_refused_and_nothing_is_restored() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, _, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 10_000)).ok();
    let file = scratch.path().join("backup.tar");
    back_up(&node, &file);
    let whole = std::fs::read(&file).unwrap();
    let mut rng = seeded_rng::Rng::new(17);
    let refuse = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let ran = offline(&["restore", text(&file), "--data", text(&restored)]);
        assert!(!restored.exists(), "the data directory must not be touched");
        ran
    };
    let length = whole.len() as u64;
    let cuts = [0, 1, 511, 512, 1_024, length - 1, length - 1_024, length - 1_025];
    for cut in (0..20).map(|_| rng.below(length)).chain(cuts) {
        let ran = refuse(&whole[..usize::try_from(cut).unwrap()]);
        assert!(ran.code == 1 || ran.code == 2, "cut at {cut}: {ran:?}");
    }
    let mut harmless = 0;
    for _ in 0..40 {
        let at = usize::try_from(rng.below(length)).unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << rng.below(8);
        std::fs::write(&file, &bytes).unwrap();
        let ran = offline(&["restore", text(&file), "--data", text(&restored)]);
        if ran.code == 0 {
            // What fills the last block of a file, or the end.
            harmless += 1;
            assert_eq!(whole[at], 0, "byte {at} of {length}");
            std::fs::remove_dir_all(&restored).unwrap();
        }
    }
    assert!(harmless < 5, "{harmless} changes were not seen");
}

#[test]
fn a_backup_that_nobody_reads_to_its_end_or_whose_node_goes_away_fails() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, _, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 20_000)).ok();
    // The reader goes away.
    let mut command = mainstay();
    command.args(["--url", &node.url, "backup", "-"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 512];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("the stream"), "{said}");
    // The node goes away.
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::with_capacity(512, child.stdout.take().unwrap());
    let mut bytes = out.fill_buf().unwrap().to_vec();
    out.consume(bytes.len());
    node.kill();
    out.read_to_end(&mut bytes).unwrap();
    assert!(!child.wait().unwrap().success());
    let file = scratch.path().join("half.tar");
    std::fs::write(&file, bytes).unwrap();
    let ran = offline(&["restore", text(&file), "--data", text(&restored)]);
    assert!(ran.code != 0 && !restored.exists(), "{ran:?}");
}

#[test]
fn what_is_not_a_stream_with_a_backup_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let (_, _, restored) = paths(scratch.path());
    let file = scratch.path().join("other.tar");
    std::fs::write(scratch.path().join("a"), "x").unwrap();
    let tar = Command::new("tar").args(["-cf", text(&file), "-C", text(scratch.path()), "a"]).status();
    assert!(tar.unwrap().success());
    let arguments = ["restore", text(&file), "--data", text(&restored)];
    offline(&arguments).fails(2, "holds no backups");
    std::fs::write(&file, "text, and no tar").unwrap();
    offline(&arguments).fails(1, "is not a stream that `mainstay backup -` has written");
    run(mainstay().args(["restore", "-", "--data", text(&restored)]), "").fails(1, "standard input");
    for command in [&["backups", "list", "-"][..], &["archive", "-"]] {
        offline(command).fails(2, "not a stream");
    }
    assert!(!restored.exists());
}
