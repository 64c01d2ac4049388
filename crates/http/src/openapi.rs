pub fn document() -> String {
    String::from("{}")
}
pub(crate) fn text() -> String {
    document()
}
