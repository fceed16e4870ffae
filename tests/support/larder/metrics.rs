//! What `/metrics` says.

/// One scrape.
#[derive(Debug)]
pub struct Metrics(Vec<(String, f64)>);

impl Metrics {
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            lines
                .filter_map(|line| line.rsplit_once(' '))
                .filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?)))
                .collect(),
        )
    }

    /// The sum over all series of a metric; 0 for one that never counted.
    pub fn sum(&self, name: &str) -> f64 {
        self.series(name).map(|(_, value)| value).sum()
    }

    /// The sum over the series that carry a label, given as `source="cache"`.
    pub fn sum_with(&self, name: &str, label: &str) -> f64 {
        self.series(name)
            .filter(|(series, _)| series.contains(label))
            .map(|(_, value)| value)
            .sum()
    }

    /// True when the metric is there at all.
    pub fn has(&self, name: &str) -> bool {
        self.series(name).next().is_some()
    }

    fn series<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> + 'a {
        self.0.iter().filter_map(move |(series, value)| {
            let rest = series.strip_prefix(name)?;
            (rest.is_empty() || rest.starts_with('{')).then_some((series.as_str(), *value))
        })
    }
}
