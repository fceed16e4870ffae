//! The fixed words that counters are kept by. Fixed, so that a counter is a place in an array.

/// Declares an enum whose values are places in an array, with their words.
macro_rules! places {
    ($(#[$doc:meta])* $kind:ident { $($(#[$inner:meta])* $variant:ident => $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $kind {
            $($(#[$inner])* $variant),+
        }

        impl $kind {
            /// All values, in the order of their places.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word in metrics, logs and headers.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            pub(super) const fn place(self) -> usize {
                self as usize
            }
        }
    };
}

places! {
    /// What a request is about.
    Kind {
        /// `GET /v2/`.
        Ping => "ping",
        Manifest => "manifest",
        Blob => "blob",
        Tags => "tags",
        Referrers => "referrers",
        Other => "other",
    }
}

places! {
    /// How content was come by.
    Outcome {
        /// From the cache, nobody asked.
        Hit => "hit",
        /// Not here and not to be had.
        Miss => "miss",
        /// Fetched, and kept.
        Fill => "fill",
        /// From the cache, past its time, because no source answered.
        Stale => "stale",
        /// Fetched, and not kept.
        Pass => "pass",
        /// From the cache, after a source said that it still holds.
        Revalidated => "revalidated",
    }
}

places! {
    /// The class of a status: a counter for each code would be mostly zeros.
    StatusClass {
        Informational => "1xx",
        Success => "2xx",
        Redirection => "3xx",
        ClientError => "4xx",
        ServerError => "5xx",
    }
}

impl StatusClass {
    pub fn of(status: http::StatusCode) -> Self {
        match status.as_u16() / 100 {
            1 => Self::Informational,
            2 => Self::Success,
            3 => Self::Redirection,
            4 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

places! {
    /// Why a fill ended without its blob.
    FillFailure {
        NotFound => "not-found",
        Denied => "denied",
        RateLimited => "rate-limited",
        Unavailable => "unavailable",
        /// Wrong bytes, or answers that cannot be right.
        Untrustworthy => "untrustworthy",
        /// This box was out of a resource.
        Busy => "busy",
    }
}
