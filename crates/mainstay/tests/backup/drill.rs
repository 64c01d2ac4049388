//! The restore drill of docs/backup.md.

use std::path::Path;
use std::process::Command;

#[test]
fn the_restore_drill_of_the_docs_restores_every_event_of_a_gibibyte() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut drill = Command::new(root.join("docs/restore-drill.sh"));
    drill.env("MAINSTAY", env!("CARGO_BIN_EXE_mainstay")).env("EVENTS", "1000000").current_dir(&root);
    let ran = drill.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    println!("{said}");
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.ends_with("every event is as it was\n"), "{said}");
}
