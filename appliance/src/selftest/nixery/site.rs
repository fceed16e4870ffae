//! The images of a site, and who pulls them.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::super::{
    client::{self, Broken},
    content::{Image, Noise, Stock},
};

/// Images that are pulled by a skewed choice.
const IMAGES: u64 = 60;
/// Images with the same base.
const SIBLINGS: u64 = 10;
/// Images that nobody has pulled before a disk is full.
pub(super) const NEW: u64 = 8;

/// How much is pulled, and over what time at least.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) bytes: u64,
    pub(super) over: Duration,
}

/// The images.
pub(super) struct Site {
    images: Vec<Image>,
    pub(super) new: Vec<Image>,
    /// What is pinned, and read all the time.
    pub(super) hot: Image,
    /// Whose upstream falls silent.
    pub(super) stalling: Image,
}

fn image(number: u64) -> Image {
    let base = Noise {
        seed: 10_000 + number / SIBLINGS,
        size: 400_000,
    };
    let configuration = Noise {
        seed: 20_000 + number,
        size: 2_000,
    };
    let own = Noise {
        seed: 30_000 + number,
        size: 100_000 + number * 7_919 % 500_000,
    };
    let blobs = [configuration, base, own].map(Noise::blob);
    Image::new(&format!("v{number}"), blobs.to_vec())
}

impl Site {
    pub(super) fn new() -> Self {
        let alone = |seed: u64, size, tag: &str| {
            let blobs = [2_000, size].map(|size| {
                Noise {
                    seed: seed + size,
                    size,
                }
                .blob()
            });
            Image::new(tag, blobs.to_vec())
        };
        Self {
            images: (0..IMAGES).map(image).collect(),
            new: (IMAGES..IMAGES + NEW * 2).map(image).collect(),
            hot: alone(1, 64 << 10, "hot"),
            stalling: alone(2, 512 << 10, "stalling"),
        }
    }

    pub(super) fn stock(&self) -> Stock {
        let mut stock = Stock::default();
        for image in self
            .images
            .iter()
            .chain(&self.new)
            .chain([&self.hot, &self.stalling])
        {
            stock.add(image);
        }
        stock
    }

    /// Pulls until so many bytes have come, the n-th image as often as 1/n; evenly over a time, if that is longer than it
    /// takes. Says how many pulls and bytes that were.
    pub(super) async fn pull(&self, address: SocketAddr, plan: Plan, failed: &mut Vec<String>) -> (u64, u64) {
        let began = Instant::now();
        let mut rng = fastrand::Rng::with_seed(167);
        let sum: f64 = (1..=IMAGES).map(|rank| 1.0 / rank as f64).sum();
        let (mut pulls, mut pulled) = (0, 0);
        while pulled < plan.bytes {
            let mut at = rng.f64() * sum;
            let chosen = self.images.iter().zip(1u64..).find(|(_, rank)| {
                at -= 1.0 / *rank as f64;
                at <= 0.0
            });
            let image = chosen.map_or(&self.images[0], |(image, _)| image);
            match client::pull(address, image).await {
                Ok(came) => pulled += came,
                Err(broken) => {
                    failed.push(told(image, &broken));
                    // A mirror that answers nothing is not asked for ever.
                    pulled += image.size();
                }
            }
            pulls += 1;
            let part = pulled.min(plan.bytes) as f64 / plan.bytes.max(1) as f64;
            sleep_until(began + plan.over.mul_f64(part)).await;
        }
        (pulls, pulled)
    }
}

pub(super) fn told(image: &Image, broken: &Broken) -> String {
    format!("{}: {}", image.tag, client::told(broken))
}
