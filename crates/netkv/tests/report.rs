//! The report in a browser, from a small run: what it shows, on a desk, on a phone, in the dark; that it sorts, tells its
//! numbers and asks for nothing.
//!
//! Needs Chromium. Without one the test fails and says what to do: it is never left out unless somebody says so with
//! `NETKV_BROWSER=none`.

mod command;

use command::{check, experiments};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Names under which Chromium is installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The browser; none if it was said that there is none.
fn browser() -> Option<PathBuf> {
    if let Some(said) = std::env::var_os("NETKV_BROWSER") {
        return (said != "none").then(|| PathBuf::from(said));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> =
        std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name))).collect();
    let found = all.into_iter().find(|file| file.is_file());
    assert!(
        found.is_some(),
        "the report is looked at in Chromium, which is not on the PATH: install it (apt-get install chromium), name one in \
         NETKV_BROWSER, or go without this test by NETKV_BROWSER=none"
    );
    found
}

/// A run of two axes with regimes of all kinds, some of them overloaded, and a distribution of its requests.
fn results() -> TempDir {
    let here = tempfile::tempdir().expect("a temporary folder");
    let base = experiments().join("base.toml");
    let text = format!(
        "extends = '{}'\nname = 'mine'\nseeds = [1, 2]\nrecord = 'requests'\n[workload]\ntrace = 'synthetic:conversation:1'\n\
         max_requests = 300\n[measure]\nwarmup_s = 0.0\n\
         [[axis]]\nkey = 'workload.prefill_utilisation_ratio'\nvalues = [0.3, 2.5]\n\
         [[axis]]\nkey = 'fabric.nic_gbps'\nvalues = [25.0, 400.0]\n\
         [[axis]]\nkey = 'policy.name'\nvalues = ['round_robin', 'cache_load_aware', 'netkv', 'netkv_joint']\n\
         [[figure]]\nname = 'mine_ttft'\nkind = 'lines'\nx = 'fabric.nic_gbps'\npanels = 'workload.prefill_utilisation_ratio'\n\
         metric = 'ttft_mean_ns'\n\
         [[figure]]\nname = 'mine_requests'\nkind = 'cdf'\nmetric = 'ttft_ns'\npanels = 'workload.prefill_utilisation_ratio'\n\
         only = {{ 'fabric.nic_gbps' = 25.0 }}\n",
        base.display()
    );
    fs::write(here.path().join("mine.toml"), text).expect("the experiment is written");
    check(here.path(), &["run", "mine.toml", "--quiet"], 0);
    here
}

/// What stands in the page `probe` says, after `script` ran in it, in a window `width` wide.
fn seen(browser: &Path, page: &str, script: &str, width: u32, dark: bool) -> serde_json::Value {
    let here = tempfile::tempdir().expect("a temporary folder");
    let probe = format!(
        "<script>\naddEventListener('load', () => setTimeout(() => {{ const said = {{}};\n\
         document.addEventListener('securitypolicyviolation', (event) => said.violation = event.blockedURI);\n{script}\n\
         said.requests = performance.getEntriesByType('resource').length;\n\
         parent.postMessage(JSON.stringify(said), '*'); }}, 200));\n</script>\n</body>"
    );
    fs::write(here.path().join("page.html"), page.replace("</body>", &probe)).expect("the page is written");
    // A window has a least width of its own: a frame has none.
    let frame = format!(
        "<!doctype html><pre id=said></pre><iframe src=page.html style=\"border:0;width:{width}px;height:900px\"></iframe>\n\
         <script>addEventListener('message', (event) => document.getElementById('said').textContent = event.data)</script>"
    );
    let file = here.path().join("frame.html");
    fs::write(&file, frame).expect("the frame is written");
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1400,1000",
        "--virtual-time-budget=4000",
    ]);
    command.arg(format!("--user-data-dir={}", here.path().join("profile").display()));
    if dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    }
    let output =
        command.args(["--dump-dom", &format!("file://{}", file.display())]).output().expect("the browser runs");
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = dom.split("<pre id=\"said\">").nth(1).and_then(|rest| rest.split("</pre>").next()).unwrap_or_default();
    let said = said.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    serde_json::from_str(&said).unwrap_or_else(|error| {
        panic!("the page said nothing ({error}): {dom:.2000}\n{}", String::from_utf8_lossy(&output.stderr))
    })
}

/// What the script looks at.
const LOOKS: &str = "
said.overflow = document.documentElement.scrollWidth - innerWidth;
said.paper = getComputedStyle(document.body).backgroundColor;
said.drawn = getComputedStyle(document.querySelector('.drawing svg rect')).fill;
said.ink = getComputedStyle(document.querySelector('.drawing svg text')).fill;
said.hints = [...document.querySelectorAll('.hint')].filter((hint) => hint.offsetHeight > 0).length;
said.answer = document.querySelector('.question').getBoundingClientRect().top;
";

/// What it does.
const ACTS: &str = "
for (const details of document.querySelectorAll('details')) details.open = true;
const table = document.querySelector('table.points');
const head = [...table.tHead.rows[0].cells].find((cell) => cell.textContent.includes('Mean TTFT'));
const column = () => [...table.tBodies[0].rows].map((row) => parseFloat(row.cells[head.cellIndex].textContent));
head.click(); said.up = column();
head.click(); said.down = column();
const at = (target) => {
  const box = target.getBoundingClientRect();
  const where = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true };
  target.dispatchEvent(new PointerEvent('pointermove', where));
  return document.getElementById('tip').hidden ? null : document.getElementById('tip').textContent;
};
said.mark = at(document.querySelector('.drawing .tips circle'));
said.field = at(document.querySelector('.map td'));
said.overloaded = at(document.querySelector('.map td.overloaded'));
said.term = at(document.querySelector('abbr'));
said.nothing = at(document.querySelector('h1'));
const seen = () => ['ttft', 'slo'].map((what) => document.querySelector('div.of-' + what).offsetHeight > 0);
said.maps = [seen()];
document.querySelector('label[for^=of-slo]').click();
said.maps.push(seen());
said.gained = at(document.querySelector('div.of-slo td[data-t]'));
";

#[test]
fn the_report_is_whole_on_a_desk_on_a_phone_and_in_the_dark() {
    let here = results();
    let said = check(here.path(), &["report", "mine.toml"], 0).stderr;
    assert!(said.contains("report: results/mine/report.html"), "{said}");
    let page = fs::read_to_string(here.path().join("results/mine/report.html")).expect("the page is there");
    check(here.path(), &["report", "mine", "--out", "again.html"], 0);
    let again = fs::read_to_string(here.path().join("again.html")).expect("the page is there");
    let links = |folder: &str| format!("<a href=\"{folder}/summary.parquet\">");
    assert!(page.contains(&links("../mine")) && again.contains(&links("results/mine")), "links are relative");
    assert_eq!(
        page.replace("\"../mine/", "\""),
        again.replace("\"results/mine/", "\""),
        "the same bytes but for links"
    );
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        let own = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!own.contains(outside), "{outside} is in the page");
    }
    assert!(page.contains("content=\"default-src 'none'"), "the page forbids requests itself");
    for words in [
        "netkv figures mine_requests",
        "Crossed-out markers are overloaded",
        "data-tip=\"time to first token",
        "within 1.25 times",
    ] {
        assert!(page.contains(words), "{words} is not in the page");
    }
    fs::remove_file(here.path().join("results/mine/requests.parquet")).expect("the requests were there");
    let without = check(here.path(), &["figures", "mine_requests"], 65).stderr;
    assert!(without.contains("record = \"requests\"; say so and run it again"), "{without}");
    let Some(browser) = browser() else { return };
    let desk = seen(&browser, &page, &format!("{LOOKS}{ACTS}"), 1280, false);
    let numbers = |key: &str| -> Vec<f64> {
        desk[key].as_array().expect("a column").iter().filter_map(|one| one.as_f64()).collect()
    };
    assert!(numbers("up").is_sorted() && numbers("up").len() == 16, "{desk}");
    assert!(numbers("down").iter().rev().is_sorted() && numbers("down") != numbers("up"), "{desk}");
    let text = |key: &str| desk[key].as_str().unwrap_or_default().to_owned();
    assert!(text("mark").contains(" s [") && text("mark").contains("Line rate of a GPU (Gb/s): "), "{desk}");
    assert!(text("field").contains("ratio") || text("field").contains("overloaded"), "{desk}");
    assert!(text("overloaded").contains("is overloaded"), "{desk}");
    assert_eq!(desk["maps"].to_string(), "[[true,false],[false,true]]", "one map at a time, as the reader wants");
    assert!(text("gained").contains(" points") && text("gained").contains("Line rate of a GPU (Gb/s): "), "{desk}");
    assert!(text("term").len() > 10 && desk["nothing"].is_null(), "{desk}");
    assert_eq!(
        (desk["paper"].as_str(), desk["drawn"].as_str()),
        (Some("rgb(255, 255, 255)"), Some("rgb(255, 255, 255)"))
    );
    let phone = seen(&browser, &page, LOOKS, 390, false);
    assert!(phone["hints"].as_u64() > Some(0) && phone["answer"].as_f64() < Some(700.0), "{phone}");
    let dark = seen(&browser, &page, LOOKS, 1280, true);
    assert_eq!((&dark["paper"], &dark["ink"]), (&"rgb(22, 24, 28)".into(), &"rgb(231, 233, 236)".into()), "{dark}");
    assert_eq!(dark["drawn"], dark["paper"], "figures are as dark as the page");
    for one in [&desk, &phone, &dark] {
        assert!(one["overflow"].as_i64() <= Some(0), "wider than the screen: {one}");
        assert!(one["violation"].is_null() && one["requests"] == 0, "it asks for something: {one}");
    }
}

#[test]
fn what_cannot_be_reported_says_what_to_do() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let text = format!("extends = '{}'\nname = 'mine'\n", experiments().join("smoke.toml").display());
    fs::write(here.path().join("my file.toml"), text).expect("the experiment is written");
    let said = |arguments: &[&str], code: i32| check(here.path(), arguments, code).stderr;
    let without = said(&["report", "my file.toml"], 65);
    assert!(
        without.contains("mine has no results in results: make them first with netkv run my file.toml"),
        "{without}"
    );
    assert!(said(&["report"], 65).contains("there is nothing to report on in results: run an experiment first"));
    // Results of a reduced or changed run are elsewhere.
    check(here.path(), &["run", "my file.toml", "--quiet", "--quick", "--seeds", "1"], 0);
    let other = said(&["report", "my file.toml", "--quick"], 65);
    let words = "mine has no results in results/quick: make them first with netkv run my file.toml --quick; there are results in \
                 results/quick/mine+seeds=1: netkv report results/quick/mine+seeds=1\n";
    assert!(other.contains(words), "{other}");
    let whole = said(&["report", "my file.toml"], 65);
    assert!(whole.contains("; there are results in results/quick/mine+seeds=1: netkv report"), "{whole}");
    let page = said(&["report", "my file.toml", "--quick", "--seeds", "1"], 0);
    assert!(page.contains("report: results/quick/mine+seeds=1/report.html"), "{page}");
    said(&["report", "results/quick/mine+seeds=1"], 0);
    let compared = said(&["compare", "results/quick/mine", "--values", "netkv", "round_robin"], 65);
    assert!(compared.contains(": netkv compare results/quick/mine+seeds=1"), "{compared}");
    let figures = said(&["figures"], 65);
    let words = "results has no results; those of the reduced version are in results/quick: netkv figures --quick";
    assert!(figures.contains(words), "{figures}");
    check(here.path(), &["run", "my file.toml", "--quiet", "--quick"], 0);
    let both = said(&["report", "my file.toml", "--quick"], 0);
    let words = "note: the page is of results/quick/mine alone; there are results in results/quick/mine+seeds=1: netkv report \
                 results/quick/mine+seeds=1\n";
    assert!(both.contains(words), "{both}");
    check(here.path(), &["run", "my file.toml", "--quiet"], 0);
    let near = said(&["report", "mien"], 65);
    assert!(near.contains("there are those of mine; did you mean mine?"), "{near}");
    said(&["report"], 0);
    assert!(here.path().join("figures/report.html").is_file());
    let cdf = "[[figure]]\nname = 'a'\nkind = 'cdf'\nmetric = 'ttft_ns'\n";
    let text = format!("extends = '{}'\nname = 'cdf'\n{cdf}", experiments().join("smoke.toml").display());
    fs::write(here.path().join("cdf.toml"), text).expect("the experiment is written");
    let refused = said(&["plan", "cdf.toml"], 65);
    assert!(refused.contains("cdf.toml:5:") && refused.contains("set record = \"requests\""), "{refused}");
}

#[test]
fn a_spread_is_over_all_points_that_can_be_compared() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let text = format!(
        "extends = '{}'\nname = 'x'\nseeds = [1, 2]\n[workload]\ntrace = 'synthetic:conversation:1'\nmax_requests = 300\n\
         [measure]\nwarmup_s = 0.0\n[[axis]]\nkey = 'workload.prefill_utilisation_ratio'\nvalues = [0.3, 2.5]\n\
         [[axis]]\nkey = 'fabric.nic_gbps'\nvalues = [25.0, 400.0]\n\
         [[axis]]\nkey = 'policy.name'\nvalues = ['round_robin', 'cache_load_aware', 'netkv']\n\
         [[figure]]\nname = 'spread'\nkind = 'spread'\nmetric = 'ttft_mean_ns'\n",
        experiments().join("base.toml").display()
    );
    fs::write(here.path().join("x.toml"), text).expect("the experiment is written");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    check(here.path(), &["figures", "spread"], 0);
    let svg = fs::read_to_string(here.path().join("figures/spread.svg")).expect("the figure");
    let texts = svg.split("<text").skip(1).filter_map(|rest| rest.split_once('>')?.1.split_once("</text>"));
    let words = texts.map(|(words, _)| words.trim()).collect::<Vec<_>>().join(" ");
    // At 2.5 times what prefill can take everybody is overloaded.
    for said in
        ["Each line is of 2 points", "2 of 4 points are left out", "the best of 2 policies that ignore the network"]
    {
        assert!(words.contains(said), "{said}: {words}");
    }
}

#[test]
fn the_cost_of_tokens_is_in_the_table_of_points_where_a_price_is_named() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let smoke = experiments().join("smoke.toml");
    let page = |name: &str, more: &str| {
        let text = format!("extends = '{}'\nname = '{name}'\n{more}", smoke.display());
        fs::write(here.path().join(format!("{name}.toml")), text).expect("the experiment is written");
        check(here.path(), &["run", &format!("{name}.toml"), "--quiet"], 0);
        check(here.path(), &["report", name], 0);
        fs::read_to_string(here.path().join(format!("results/{name}/report.html"))).expect("the page")
    };
    assert!(page("priced", "[cost]\nper_gpu_hour = 2.5\n").contains("<th>Cost of a million tokens</th>"));
    assert!(!page("free", "").contains("Cost of a million tokens"));
}

#[test]
fn pages_and_figures_that_are_older_than_their_tables_are_told() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let write = |requests: u32| {
        let smoke = experiments().join("smoke.toml");
        let text = format!("extends = '{}'\nname = 'mine'\n[workload]\nmax_requests = {requests}\n", smoke.display());
        fs::write(here.path().join("mine.toml"), text).expect("the experiment is written");
    };
    let said = |arguments: &[&str]| check(here.path(), arguments, 0).stderr;
    write(50);
    assert!(!said(&["run", "mine.toml"]).contains("tables of before"), "there is no page yet");
    said(&["report", "mine.toml"]);
    said(&["figures"]);
    assert!(!said(&["run", "mine.toml"]).contains("tables of before"), "the same tables");
    write(60);
    let told = said(&["run", "mine.toml"]);
    for note in [
        "note: results/mine/report.html shows tables of before: netkv report mine writes it anew",
        "note: figures/report.html shows tables of before: netkv figures writes it anew",
        "shows tables of before: netkv figures draws them anew",
    ] {
        assert!(told.contains(note), "{note}: {told}");
    }
    let drawn = said(&["figures"]);
    assert!(drawn.contains("results/mine/report.html shows") && !drawn.contains("figures/"), "{drawn}");
    assert!(!said(&["report", "mine.toml"]).contains("tables of before"));
    assert!(!said(&["run", "mine.toml"]).contains("tables of before"), "all are of these tables");
    said(&["run", "mine.toml", "--quick"]);
    assert!(said(&["figures", "--quick"]).contains(" files in figures/quick"));
    assert!(here.path().join("figures/quick/report.html").is_file());
    write(70);
    let told = said(&["run", "mine.toml", "--quick"]);
    assert!(
        told.contains("figures/quick/report.html shows tables of before: netkv figures --quick writes it anew"),
        "{told}"
    );
}
