//! Prometheus' text format 0.0.4: how metrics are written for it, and for all that read what it reads.

use std::fmt::Write;

/// What a family's values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// Metrics as text. Names are the caller's to keep valid and apart; labels may hold any text.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: Option<&str>) {
        if let Some(help) = help {
            let _ = writeln!(
                self.0,
                "# HELP {name} {}",
                help.replace('\\', "\\\\").replace('\n', "\\n")
            );
        }
        let _ = writeln!(self.0, "# TYPE {name} {}", kind.name());
    }

    /// One value.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0 += name;
        for (index, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if index == 0 { '{' } else { ',' });
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = match value {
            f64::INFINITY => writeln!(self.0, " +Inf"),
            f64::NEG_INFINITY => writeln!(self.0, " -Inf"),
            _ => writeln!(self.0, " {value}"),
        };
    }

    /// A gauge without labels, family and all.
    pub fn gauge(&mut self, name: &str, help: Option<&str>, value: f64) {
        self.family(name, Kind::Gauge, help);
        self.sample(name, &[], value);
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_in_a_label_stays_in_it() {
        let mut exposition = Exposition::default();
        exposition.family("a", Kind::Counter, Some("b\nc"));
        exposition.sample("a", &[("d", "\"} 1\n\\"), ("e", "")], f64::INFINITY);
        let expected = "# HELP a b\\nc\n# TYPE a counter\na{d=\"\\\"} 1\\n\\\\\",e=\"\"} +Inf\n";
        assert_eq!(exposition.into_text(), expected);
    }
}
