//! The commands of values. `entry` holds their tags.

use crate::entry::{get_expected, get_keyed, put_expected, put_keyed};
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::Cow;
use model::{DeleteValue, PutValue, ValueName};

pub(crate) fn put_put(writer: &mut Writer<'_>, put: &PutValue<'_>) {
    put_keyed(writer, put.keyed.as_ref());
    writer.prefixed(put.value.as_str().as_bytes());
    put_expected(writer, put.expected);
    writer.prefixed(put.content_type.as_bytes());
    writer.prefixed(&put.content);
}

pub(crate) fn get_put<'a>(reader: &mut Reader<'a>) -> Result<PutValue<'a>, FormatError> {
    Ok(PutValue {
        keyed: get_keyed(reader)?,
        value: get_name(reader)?,
        expected: get_expected(reader)?,
        content_type: Cow::Borrowed(reader.text("content type")?),
        content: Cow::Borrowed(reader.prefixed()?),
    })
}

pub(crate) fn put_delete(writer: &mut Writer<'_>, delete: &DeleteValue<'_>) {
    writer.prefixed(delete.value.as_str().as_bytes());
    put_expected(writer, delete.expected);
}

pub(crate) fn get_delete<'a>(reader: &mut Reader<'a>) -> Result<DeleteValue<'a>, FormatError> {
    Ok(DeleteValue { value: get_name(reader)?, expected: get_expected(reader)? })
}

pub(crate) fn get_name<'a>(reader: &mut Reader<'a>) -> Result<ValueName<'a>, FormatError> {
    let what = "value name";
    ValueName::new(reader.text(what)?).map_err(|_| FormatError::Text { what })
}
