//! The operations on backups and archives.

use super::operations::{ANY, DATA, QUERY, STREAM_NAME, json};
use super::parameters::{AFTER_ENTRY, ARCHIVE, BACKUP, CHUNK, FROM_BYTE, SEGMENT, STORE};
use super::{Access, Content, Description, Method, Response, Schema, Scope, Tag};
use crate::catalogue::Code;

const BYTES: Content = Content { media_type: "application/octet-stream", schema: Schema::Bytes };

pub(super) const BEGIN: Description = Description {
    id: "beginBackup",
    method: Method::Put,
    path: "/v1/backups/{backup}",
    tag: Tag::Operations,
    access: Access::admin(Scope::Store),
    summary: "Begin a backup",
    description: "The client chooses the name, at random and once for each place where it keeps backups. If a backup with this name is under way, it ends. The node holds the store as it is now, until the backup is ended or nothing is read from it for ten minutes. Writes go on. Use `mainstay backup`, which reads everything, checks it, and keeps it so that it can be restored.",
    parameters: &[&BACKUP, &STORE],
    request: &[],
    response: Response { description: "What the backup holds.", content: &[json("Backup")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::TooManyBackups, Code::DiskStalled]],
};

pub(super) const ROWS: Description = Description {
    id: "readBackupRows",
    method: Method::Get,
    path: "/v1/backups/{backup}/rows",
    tag: Tag::Operations,
    access: Access::admin(Scope::Store),
    summary: "Read rows of the state",
    description: "Returns one chunk of the state's rows. Chunks are numbered from 0; the last one says in its header that it is the last. Read them in order; each can be read again.",
    parameters: &[&BACKUP, &CHUNK, &STORE],
    request: &[],
    response: Response { description: "The chunk.", content: &[BYTES], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::BackupNotFound, Code::DiskStalled]],
};

pub(super) const SEGMENT_BYTES: Description = Description {
    id: "readBackupSegment",
    method: Method::Get,
    path: "/v1/backups/{backup}/segments/{segment}",
    tag: Tag::Operations,
    access: Access::admin(Scope::Store),
    summary: "Read bytes of a segment",
    description: "Returns up to 1 MiB of a segment with event bodies, from a byte on. The response is empty at the segment's end.",
    parameters: &[&BACKUP, &SEGMENT, &FROM_BYTE, &STORE],
    request: &[],
    response: Response { description: "The bytes.", content: &[BYTES], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::BackupNotFound, Code::DiskStalled]],
};

pub(super) const END: Description = Description {
    id: "endBackup",
    method: Method::Delete,
    path: "/v1/backups/{backup}",
    tag: Tag::Operations,
    access: Access::admin(Scope::Store),
    summary: "End a backup",
    description: "The node lets go of what it holds for the backup. Ending a backup that is not under way changes nothing.",
    parameters: &[&BACKUP, &STORE],
    request: &[],
    response: Response {
        description: "The backup is not under way.",
        content: &[json("BackupEnded")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, QUERY],
};

pub(super) const LOG: Description = Description {
    id: "archiveLog",
    method: Method::Get,
    path: "/v1/archives/{archive}/log",
    tag: Tag::Operations,
    access: Access::admin(Scope::Store),
    summary: "Read the log for an archive",
    description: "Returns entries of the log that were applied, in order, with a checksum: about 4 MiB, at least one. The response is empty if there is none yet. The client chooses the archive's name, at random and once for each place where it keeps entries. The log keeps what an archive does not have, up to 1 GiB, until the archive has not asked for ten minutes. Use `mainstay archive`, which checks the entries and keeps them so that a store can be restored as of any moment.",
    parameters: &[&ARCHIVE, &AFTER_ENTRY, &STORE],
    request: &[],
    response: Response { description: "The entries.", content: &[BYTES], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::NotInLog, Code::TooManyArchives, Code::DiskStalled]],
};
