//! The lines that the mirror is to reach beside its peers.

use tests::measure::Check;

use crate::{
    figures::Figures,
    rows::{BIG, BY_DIGEST, BY_TAG, LONE, Row},
    servers::{DRAYAGE, INCUMBENT, NGINX_CACHE, NGINX_STATIC},
};

/// Those lines for which there are figures.
pub(crate) fn checks(figures: &Figures, rows: &[Row]) -> Vec<Check> {
    let mut checks = Vec::new();
    for row in rows {
        let Some(ratio) = figures.ratio(row.name, INCUMBENT) else {
            continue;
        };
        let seen = format!("rate {:.2} ×, processor time {:.3} ×", ratio.rate, ratio.cpu);
        let what = format!("{}: ahead of docker-registry", row.name);
        checks.push(Check::new(what, seen, ratio.rate > 1.0 && ratio.cpu < 1.0));
    }
    let rates = [
        (BY_DIGEST, DRAYAGE, 1.0),
        (BY_TAG, DRAYAGE, 1.0),
        (LONE, NGINX_CACHE, 0.5),
    ];
    for (row, peer, least) in rates {
        if let Some(ratio) = figures.ratio(row, peer) {
            checks.push(Check::at_least(
                format!("{row}: rate ÷ {peer}"),
                ratio.rate,
                least,
            ));
        }
    }
    if let Some(ratio) = figures.ratio(BIG, NGINX_STATIC) {
        let what = format!("{BIG}: processor time per GiB ÷ {NGINX_STATIC}");
        checks.push(Check::at_most(what, ratio.cpu, 1.0));
    }
    checks
}
