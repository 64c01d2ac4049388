//! A series over time, drawn with block characters, at most 80 columns wide.

use super::record::COLUMNS;
use std::fmt::Write as _;
use std::time::Duration;

/// A series to draw. The scale is fixed, so that the charts of both halves can be compared.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// The value of a full column. Larger values are drawn as this one.
    pub(crate) top: f64,
    pub(crate) columns: Vec<f64>,
}

/// Rows of a chart.
const HEIGHT: usize = 5;
/// Eighths of a row.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Something that happens at a moment, marked below the charts.
pub(crate) type Mark = (Duration, &'static str);

impl Chart {
    pub(crate) fn draw(&self, lasts: Duration, marks: &[Mark]) -> String {
        let mut out = format!("  {}\n", self.title);
        for row in (0..HEIGHT).rev() {
            let label = match row {
                _ if row + 1 == HEIGHT => format!("{:.0}", self.top),
                0 => "0".to_owned(),
                _ => String::new(),
            };
            let blocks: String =
                self.columns.iter().take(COLUMNS).map(|value| self.block(*value, row)).collect();
            let _ = writeln!(out, "  {label:>6} |{}", blocks.trim_end());
        }
        let _ = writeln!(out, "         +{}", axis(lasts));
        out + &marked(lasts, marks)
    }

    fn block(&self, value: f64, row: usize) -> char {
        let eighths = (value / self.top * (HEIGHT * 8) as f64).round() as usize;
        // Every value above zero is visible.
        let eighths = if value > 0.0 { eighths.max(1) } else { 0 };
        BLOCKS[eighths.saturating_sub(row * 8).min(8)]
    }
}

/// Seconds, written below their columns.
fn axis(lasts: Duration) -> String {
    let mut axis = vec!['-'; COLUMNS];
    for second in 1..=lasts.as_secs() {
        write_at(&mut axis, column(lasts, Duration::from_secs(second)), &format!("{second}s"));
    }
    axis.into_iter().collect()
}

/// Marks, on as many rows as they need.
fn marked(lasts: Duration, marks: &[Mark]) -> String {
    let mut rows: Vec<Vec<char>> = Vec::new();
    for (at, words) in marks {
        let (from, text) = (column(lasts, *at), format!("^ {words}"));
        let is_free = |row: &Vec<char>| row.iter().skip(from.saturating_sub(1)).all(|c| *c == ' ');
        let free = rows.iter().position(is_free).unwrap_or_else(|| {
            rows.push(vec![' '; COLUMNS]);
            rows.len() - 1
        });
        if let Some(row) = rows.get_mut(free) {
            write_at(row, from, &text);
        }
    }
    let row = |row: Vec<char>| format!("          {}\n", row.into_iter().collect::<String>().trim_end());
    rows.into_iter().map(row).collect()
}

fn column(lasts: Duration, at: Duration) -> usize {
    (at.as_secs_f64() / lasts.as_secs_f64() * COLUMNS as f64) as usize
}

/// Writes a text at a column, or further left if it would not fit.
fn write_at(row: &mut [char], from: usize, text: &str) {
    let from = from.min(row.len().saturating_sub(text.chars().count()));
    row.iter_mut().skip(from).zip(text.chars()).for_each(|(target, c)| *target = c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_at_most_80_columns_wide_and_draws_values_at_their_time() {
        let columns = (0..COLUMNS).map(|column| if column < 32 { 100.0 } else { 0.1 }).collect();
        let chart = Chart { title: "responses per second".into(), top: 100.0, columns };
        let drawn = chart.draw(
            Duration::from_secs(8),
            &[(Duration::from_secs(4), "dies"), (Duration::from_millis(7_900), "is back")],
        );
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{drawn}");
        assert_eq!(lines[1], format!("     100 |{}", "█".repeat(32)));
        assert_eq!(lines[HEIGHT], format!("       0 |{}{}", "█".repeat(32), "▁".repeat(32)));
        assert!(lines[HEIGHT + 1].ends_with("7s----8s"));
        assert_eq!(lines[HEIGHT + 2].find("^ dies"), Some(10 + 32));
        assert!(lines[HEIGHT + 2].ends_with("^ is back"));
    }
}
