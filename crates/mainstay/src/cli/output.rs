//! Output: a table for people, JSON and JSON lines for programs. Colour appears only on terminals (anstream
//! strips it elsewhere); the JSON formats are the same wherever they go.

use super::failure::{Failure, Result};
use mainstay_client::RecordedEvent;
use serde::Serialize;
use std::io::{self, BufWriter, IsTerminal, Write};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// Aligned columns for people; long data is cut at the terminal's edge
    #[default]
    Table,
    /// One JSON value
    Json,
    /// One JSON value per line, printed as soon as it is available
    Jsonl,
}

/// Standard output, buffered, with colour on terminals only.
pub(crate) type Stdout = BufWriter<anstream::AutoStream<io::StdoutLock<'static>>>;

pub(crate) fn stdout() -> Stdout {
    BufWriter::with_capacity(64 << 10, anstream::AutoStream::auto(io::stdout().lock()))
}

/// The columns of the terminal, if standard output is one.
fn terminal_columns() -> Option<usize> {
    let stdout = io::stdout();
    stdout
        .is_terminal()
        .then(|| terminal_size::terminal_size_of(&stdout))
        .flatten()
        .map(|(width, _)| width.0.into())
}

/// How a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// The first rows decide the columns' widths. Wider rows later stick out, so that a table of any length needs
/// bounded memory and starts soon.
const ROWS_MEASURED: usize = 200;

/// A table that is written while its rows arrive.
#[derive(Debug)]
pub(crate) struct Table<W> {
    out: W,
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
    width_max: Option<usize>,
}

impl<W: Write> Table<W> {
    pub(crate) fn new(out: W, columns: &[(&'static str, Align)]) -> Self {
        Self::with_width(out, columns, terminal_columns())
    }

    fn with_width(out: W, columns: &[(&'static str, Align)], width_max: Option<usize>) -> Self {
        Self { out, columns: columns.to_vec(), rows: Vec::new(), widths: None, width_max }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) -> io::Result<()> {
        if self.widths.is_some() {
            return self.write_row(&cells);
        }
        self.rows.push(cells);
        if self.rows.len() >= ROWS_MEASURED { self.measure() } else { Ok(()) }
    }

    /// Writes the rows kept back so far, and later ones at once.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.widths.is_none() {
            self.measure()?;
        }
        self.out.flush()
    }

    fn measure(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let widths = (0..self.columns.len()).map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.columns[column].0.len()]).max().unwrap_or(0)
        });
        self.widths = Some(widths.collect());
        let heads: Vec<String> = self.columns.iter().map(|(head, _)| (*head).to_owned()).collect();
        let bold = anstyle::Style::new().bold();
        write!(self.out, "{bold}")?;
        self.write_cells(&heads)?;
        writeln!(self.out, "{bold:#}")?;
        rows.iter().try_for_each(|row| self.write_row(row))
    }

    fn write_row(&mut self, cells: &[String]) -> io::Result<()> {
        self.write_cells(cells)?;
        writeln!(self.out)
    }

    fn write_cells(&mut self, cells: &[String]) -> io::Result<()> {
        let widths = self.widths.as_deref().unwrap_or_default();
        let mut line = String::new();
        for (index, cell) in cells.iter().enumerate() {
            let width = widths.get(index).copied().unwrap_or(0);
            let gap = if index == 0 { "" } else { "  " };
            line.push_str(gap);
            match self.columns[index].1 {
                Align::Right => line.push_str(&format!("{cell:>width$}")),
                Align::Left if index + 1 == cells.len() => line.push_str(cell),
                Align::Left => line.push_str(&format!("{cell:<width$}")),
            }
        }
        self.out.write_all(cut(&line, self.width_max).as_bytes())
    }
}

/// Cuts a line to `width_max` characters and marks the cut. Control characters never reach the terminal.
fn cut(line: &str, width_max: Option<usize>) -> String {
    let clean = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    match width_max {
        Some(width) if line.chars().count() > width => {
            clean.take(width.saturating_sub(1)).chain(['…']).collect()
        }
        _ => clean.collect(),
    }
}

/// Writes a list in any of the formats. `rows` writes an item's rows of the table.
pub(crate) fn print_list<T: Serialize>(
    output: Output,
    items: &[T],
    columns: &[(&'static str, Align)],
    rows: impl Fn(&mut Table<Stdout>, &T) -> io::Result<()>,
) -> Result {
    let mut out = stdout();
    match output {
        Output::Table => {
            let mut table = Table::new(out, columns);
            items.iter().try_for_each(|item| rows(&mut table, item))?;
            return Ok(table.flush()?);
        }
        Output::Json => {
            serde_json::to_writer(&mut out, items).map_err(Failure::local)?;
            writeln!(out)?;
        }
        Output::Jsonl => {
            for item in items {
                serde_json::to_writer(&mut out, item).map_err(Failure::local)?;
                writeln!(out)?;
            }
        }
    }
    Ok(out.flush()?)
}

/// Writes one value as JSON in one line, whatever the format.
pub(crate) fn print_json(value: &impl Serialize) -> Result {
    let mut out = stdout();
    serde_json::to_writer(&mut out, value).map_err(Failure::local)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Whether a table of events names each event's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    One,
    Many,
}

/// Writes events in any of the formats as they arrive.
#[derive(Debug)]
pub(crate) enum EventWriter<W: Write> {
    Table(Table<W>, Streams),
    Json { out: W, any: bool },
    Jsonl(W),
}

impl<W: Write> EventWriter<W> {
    pub(crate) fn new(out: W, output: Output, streams: Streams) -> Self {
        match output {
            Output::Table => {
                let all = [
                    ("STREAM", Align::Left),
                    ("REVISION", Align::Right),
                    ("TIME", Align::Left),
                    ("TYPE", Align::Left),
                    ("DATA", Align::Left),
                ];
                let first = usize::from(streams == Streams::One);
                Self::Table(Table::new(out, &all[first..]), streams)
            }
            Output::Json => Self::Json { out, any: false },
            Output::Jsonl => Self::Jsonl(out),
        }
    }

    /// Writes one event, given as the line that the node sent.
    pub(crate) fn event(&mut self, line: &[u8]) -> Result {
        match self {
            Self::Table(table, streams) => {
                let event: RecordedEvent = serde_json::from_slice(line)
                    .map_err(|error| Failure::local(format!("not an event: {error}")))?;
                let mut cells = vec![
                    event.stream,
                    event.revision.to_string(),
                    event.time.unwrap_or(event.recorded_time),
                    event.event_type,
                    event.data.map(|data| data.get().to_owned()).or(event.data_base64).unwrap_or_default(),
                ];
                if *streams == Streams::One {
                    cells.remove(0);
                }
                table.row(cells)?;
            }
            Self::Json { out, any } => {
                out.write_all(if *any { b",\n" } else { b"[\n" })?;
                out.write_all(line)?;
                *any = true;
            }
            Self::Jsonl(out) => {
                out.write_all(line)?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// Shows now what has been kept back: for events that come one by one.
    pub(crate) fn flush(&mut self) -> Result {
        match self {
            Self::Table(table, _) => table.flush()?,
            Self::Json { out, .. } | Self::Jsonl(out) => out.flush()?,
        }
        Ok(())
    }

    pub(crate) fn end(mut self) -> Result {
        if let Self::Json { out, any } = &mut self {
            out.write_all(if *any { b"\n]\n" } else { b"[]\n" })?;
        }
        self.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(width: Option<usize>, rows: &[[&str; 3]]) -> String {
        let columns = [("REVISION", Align::Right), ("TYPE", Align::Left), ("DATA", Align::Left)];
        let mut table = Table::with_width(Vec::new(), &columns, width);
        for row in rows {
            table.row(row.map(str::to_owned).to_vec()).unwrap();
        }
        table.flush().unwrap();
        anstream::adapter::strip_bytes(&table.out)
            .into_vec()
            .try_into()
            .map_or(String::new(), |text: String| text)
    }

    #[test]
    fn columns_are_as_wide_as_their_rows() {
        assert_eq!(
            table(None, &[["0", "a.long-type", "{}"], ["12", "t", "żółw"]]),
            "REVISION  TYPE         DATA\n       0  a.long-type  {}\n      12  t            żółw\n"
        );
    }

    #[test]
    fn a_terminal_gets_whole_lines_and_no_control_characters() {
        assert_eq!(table(Some(16), &[["0", "t", "a\u{1b}[31m"]]), "REVISION  TYPE …\n       0  t    …\n");
        assert!(table(None, &[["0", "t", "a\u{1b}[31m"]]).contains("a\u{fffd}[31m"));
    }

    #[test]
    fn json_is_one_value_and_jsonl_one_a_line() {
        for (output, lines, want) in [
            (Output::Json, &["{}", "[1]"][..], "[\n{},\n[1]\n]\n"),
            (Output::Json, &[], "[]\n"),
            (Output::Jsonl, &["{}", "[1]"], "{}\n[1]\n"),
            (Output::Jsonl, &[], ""),
        ] {
            let mut out = Vec::new();
            let mut writer = EventWriter::new(&mut out, output, Streams::Many);
            lines.iter().for_each(|line| writer.event(line.as_bytes()).unwrap());
            writer.end().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }
}
