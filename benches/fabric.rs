//! How long transfers take to simulate: by size of the fabric, and by how busy it is.

use divan::counter::ItemsCount;
use netkv_benches::{run, tree};

fn main() {
    divan::main();
}

/// 2,000 transfers of four flows; the narrowest links have half of what they could carry to do. They end before the
/// largest fabric has filled up: `scale` runs long enough.
#[divan::bench(args = [64, 1024, 16_384], sample_count = 10)]
fn half_loaded(bencher: divan::Bencher<'_, '_>, gpus: u32) {
    let tree = tree(gpus);
    bencher.counter(ItemsCount::new(2000_u32)).bench(|| run(&tree, 2000, 0.5, 1));
}

/// As many at nine tenths.
#[divan::bench(args = [64, 1024, 16_384], sample_count = 10)]
fn nearly_full(bencher: divan::Bencher<'_, '_>, gpus: u32) {
    let tree = tree(gpus);
    bencher.counter(ItemsCount::new(2000_u32)).bench(|| run(&tree, 2000, 0.9, 1));
}
