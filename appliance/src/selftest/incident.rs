//! The incidents: their names, and where they can be read.

use std::{fmt, str::FromStr};

/// An incident that can be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Incident {
    /// The service that stopped answering.
    Nixery,
    /// The alert storm.
    Beszel,
    /// The dead cache node.
    Spegel,
    /// The leaking pool.
    Thanos,
}

impl Incident {
    pub const ALL: [Self; 4] = [Self::Nixery, Self::Beszel, Self::Spegel, Self::Thanos];

    /// As it is called on the command line: the project, and the thread where it began.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nixery => "nixery-167",
            Self::Beszel => "beszel-283",
            Self::Spegel => "spegel",
            Self::Thanos => "thanos-7883",
        }
    }

    /// What happened there, in a line.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Nixery => "the service that stopped answering: its disk was full and its collector hung",
            Self::Beszel => {
                "the alert storm: 120 mails that a box was out of memory, none that it was well again"
            }
            Self::Spegel => {
                "the dead cache node: every request to it cost a time-out, and what it had begun to send failed"
            }
            Self::Thanos => "the leaking pool: error paths kept their bytes until every request was refused",
        }
    }

    /// The project's own name, and the threads of its public tracker.
    const fn read_at(self) -> (&'static str, &'static [u32]) {
        match self {
            Self::Nixery => ("nixery", &[167, 168, 169, 175]),
            Self::Beszel => ("beszel", &[283, 97, 129, 662, 1052, 930, 1975]),
            Self::Spegel => ("spegel", &[]),
            Self::Thanos => ("thanos", &[7883, 7821, 7885, 7915]),
        }
    }

    /// The public threads about it, as `thanos #7883`.
    pub fn threads(self) -> Vec<String> {
        let (project, threads) = self.read_at();
        threads
            .iter()
            .map(|thread| format!("{project} #{thread}"))
            .collect()
    }

    /// All of them, a line each.
    pub fn list() -> String {
        Self::ALL
            .iter()
            .map(|incident| format!("  {:<12} {}\n", incident.name(), incident.what()))
            .collect()
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No incident has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no incident of this name; there are:\n{list}", list = Incident::list().trim_end())]
pub struct UnknownIncident;

impl FromStr for Incident {
    type Err = UnknownIncident;

    /// Its project, or any of its threads: `thanos`, `thanos-7883`, `thanos-7915`.
    fn from_str(text: &str) -> Result<Self, UnknownIncident> {
        let (project, thread) = text
            .split_once(['-', '#'])
            .map_or((text, None), |(project, thread)| (project, Some(thread)));
        let is_meant = |incident: &Self| {
            let (name, threads) = incident.read_at();
            name == project
                && thread.is_none_or(|thread| threads.iter().any(|known| known.to_string() == thread))
        };
        Self::ALL.into_iter().find(is_meant).ok_or(UnknownIncident)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_has_the_name_of_its_project_and_of_each_thread() {
        for incident in Incident::ALL {
            assert_eq!(incident.name().parse(), Ok(incident));
        }
        assert_eq!("thanos".parse(), Ok(Incident::Thanos));
        assert_eq!("thanos-7915".parse(), Ok(Incident::Thanos));
        assert_eq!("beszel#97".parse(), Ok(Incident::Beszel));
        for wrong in ["", "thanos-1", "thanos-", "spegel-1", "thano"] {
            assert_eq!(wrong.parse::<Incident>(), Err(UnknownIncident), "{wrong}");
        }
        let told = UnknownIncident.to_string();
        for incident in Incident::ALL {
            assert!(
                told.contains(incident.name()) && told.contains(incident.what()),
                "{told}"
            );
        }
    }
}
