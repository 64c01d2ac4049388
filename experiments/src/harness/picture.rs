//! A series over time as a picture of a few lines, 80 columns wide, in plain characters.

use super::record::COLUMNS;
use std::fmt::Write as _;
use std::time::Duration;

/// A series to be drawn. The scale is fixed, so that the pictures of both halves can be compared.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) title: String,
    /// The value of a full column; what is more is drawn as that.
    pub(crate) top: f64,
    pub(crate) columns: Vec<f64>,
}

/// Lines of a picture.
const HEIGHT: usize = 5;
/// Eighths of a line.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Something that happened at a moment, shown below the pictures.
pub(crate) type Mark = (Duration, &'static str);

impl Picture {
    pub(crate) fn draw(&self, lasts: Duration, marks: &[Mark]) -> String {
        let mut out = format!("  {}\n", self.title);
        for line in (0..HEIGHT).rev() {
            let label = match line {
                _ if line + 1 == HEIGHT => format!("{:.0}", self.top),
                0 => "0".to_owned(),
                _ => String::new(),
            };
            let blocks: String =
                self.columns.iter().take(COLUMNS).map(|value| self.block(*value, line)).collect();
            let _ = writeln!(out, "  {label:>6} |{}", blocks.trim_end());
        }
        let _ = writeln!(out, "         +{}", axis(lasts));
        out + &marked(lasts, marks)
    }

    fn block(&self, value: f64, line: usize) -> char {
        let eighths = (value / self.top * (HEIGHT * 8) as f64).round() as usize;
        // What is not nothing is seen.
        let eighths = if value > 0.0 { eighths.max(1) } else { 0 };
        BLOCKS[eighths.saturating_sub(line * 8).min(8)]
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

/// Marks on as many lines as they need.
fn marked(lasts: Duration, marks: &[Mark]) -> String {
    let mut lines: Vec<Vec<char>> = Vec::new();
    for (at, words) in marks {
        let (from, text) = (column(lasts, *at), format!("^ {words}"));
        let is_free = |line: &Vec<char>| line.iter().skip(from.saturating_sub(1)).all(|c| *c == ' ');
        let free = lines.iter().position(is_free).unwrap_or_else(|| {
            lines.push(vec![' '; COLUMNS]);
            lines.len() - 1
        });
        if let Some(line) = lines.get_mut(free) {
            write_at(line, from, &text);
        }
    }
    let line = |line: Vec<char>| format!("          {}\n", line.into_iter().collect::<String>().trim_end());
    lines.into_iter().map(line).collect()
}

fn column(lasts: Duration, at: Duration) -> usize {
    (at.as_secs_f64() / lasts.as_secs_f64() * COLUMNS as f64) as usize
}

fn write_at(line: &mut [char], from: usize, text: &str) {
    // What does not fit is moved to the left.
    let from = from.min(line.len().saturating_sub(text.chars().count()));
    line.iter_mut().skip(from).zip(text.chars()).for_each(|(place, c)| *place = c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_80_columns_wide_at_most_and_shows_values_where_they_belong() {
        let columns = (0..COLUMNS).map(|column| if column < 32 { 100.0 } else { 0.1 }).collect();
        let picture = Picture { title: "answers a second".into(), top: 100.0, columns };
        let drawn = picture.draw(
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
