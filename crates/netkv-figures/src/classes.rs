//! Drawings on the page say how they look in classes, whose rules stand once in its head. Files of figures keep attributes:
//! each has to be whole by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Attributes that a rule of CSS can say as well.
const LOOKS: [&str; 8] =
    ["fill", "stroke", "stroke-width", "opacity", "font-size", "font-weight", "text-anchor", "shape-rendering"];
/// Lengths, which have no unit in SVG.
const LENGTHS: [&str; 2] = ["stroke-width", "font-size"];
/// What a colour is on a dark page.
const DARK: &str = "--d:";
/// What is alike in all drawings, which the page's style has: the radius of what tells about a mark, and how far below its
/// point the foot of a text is.
const ALIKE: [(&str, &str); 2] = [("r", "72"), ("dy", "0.5ex")];
/// How a term begins that is explained.
const TERM: &str = "<abbr tabindex=\"0\" data-tip=\"";
/// How a swatch begins, before its colours.
pub(crate) const SWATCH: &str = "<i style=\"--l:";

/// The classes of a page.
#[derive(Default)]
pub(crate) struct Classes {
    /// By what it says.
    rules: BTreeMap<String, usize>,
    css: [String; 2],
    /// Those that are explained.
    terms: BTreeSet<String>,
}

impl Classes {
    /// A page whose drawings and swatches say by classes how they look.
    pub(crate) fn page(&mut self, html: &str) -> String {
        let mut out = String::with_capacity(html.len());
        let mut rest = html;
        while let Some(at) = rest.find("<svg") {
            let end = rest[at..].find("</svg>").map_or(rest.len(), |end| at + end);
            out.push_str(&self.outside(&rest[..at]));
            out.push_str(&self.drawing(&rest[at..end]));
            rest = &rest[end..];
        }
        out.push_str(&self.outside(rest));
        out
    }

    fn outside(&mut self, html: &str) -> String {
        let html = self.terms(html);
        self.swatches(&html)
    }

    fn drawing(&mut self, svg: &str) -> String {
        let mut out = String::with_capacity(svg.len());
        let mut rest = svg;
        while let Some(at) = rest.find('<') {
            let end = rest[at..].find('>').map_or(rest.len(), |end| at + end + 1);
            // Between elements there is nothing but the ends of lines.
            out.push_str(rest[..at].trim_start_matches('\n'));
            out.push_str(&self.element(&rest[at..end]));
            rest = &rest[end..];
        }
        out.push_str(rest);
        out
    }

    /// Explains a term where it stands first; the script finds it from the others.
    fn terms(&mut self, html: &str) -> String {
        let mut out = String::with_capacity(html.len());
        let mut rest = html;
        while let Some((before, after)) = rest.split_once(TERM) {
            out.push_str(before);
            let (tip, after) = after.split_once("\">").unwrap_or((after, ""));
            let word = after.split('<').next().unwrap_or_default().to_lowercase();
            if self.terms.insert(word) {
                write!(out, "{TERM}{tip}\">").expect("a string takes what is written to it");
            } else {
                out.push_str("<abbr tabindex=0>");
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn swatches(&mut self, html: &str) -> String {
        let mut out = String::with_capacity(html.len());
        let mut rest = html;
        while let Some((before, after)) = rest.split_once(SWATCH) {
            out.push_str(before);
            let (colours, after) = after.split_once('"').unwrap_or((after, ""));
            let (light, dark) = colours.split_once(";--d:").unwrap_or((colours, colours));
            let class = self.class(&format!("--c:{light}"), &format!("--c:{dark}"));
            write!(out, "<i class={class}").expect("a string takes what is written to it");
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// The rules.
    pub(crate) fn css(&self) -> String {
        let [light, dark] = &self.css;
        format!("{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n")
    }

    fn element(&mut self, element: &str) -> String {
        let is_drawn = ["<path", "<polygon", "<circle", "<rect", "<text"].iter().any(|tag| element.starts_with(tag));
        let Some((tag, attributes)) = element.split_once(' ').filter(|_| is_drawn) else { return element.to_owned() };
        let (mut kept, mut light, mut dark, mut on_dark) = (String::new(), String::new(), String::new(), None);
        let mut rest = attributes;
        while let Some((name, value, after)) = attribute(rest) {
            if ALIKE.contains(&(name, value)) {
                rest = after;
                continue;
            }
            if LOOKS.contains(&name) {
                let unit = if LENGTHS.contains(&name) { "px" } else { "" };
                write!(light, "{name}:{value}{unit};").expect("a string takes what is written to it");
                if value.starts_with('#') {
                    name.clone_into(&mut dark);
                }
            } else if let Some(colour) = value.strip_prefix(DARK).filter(|_| name == "style") {
                on_dark = Some(colour);
            } else {
                write!(kept, " {name}=\"{value}\"").expect("a string takes what is written to it");
            }
            rest = after;
        }
        if light.is_empty() {
            return format!("{tag}{kept}{rest}");
        }
        let dark = on_dark.map_or_else(String::new, |colour| format!("{dark}:{colour}"));
        let class = self.class(light.trim_end_matches(';'), &dark);
        format!("{tag} class={class}{kept}{rest}")
    }

    /// The class of some rules on a light page and on a dark one.
    fn class(&mut self, light: &str, dark: &str) -> String {
        let next = self.rules.len();
        let key = format!("{light}|{dark}");
        let at = *self.rules.entry(key).or_insert(next);
        let class = named(at);
        if at == next {
            for (css, rule) in self.css.iter_mut().zip([light, dark]).filter(|(_, rule)| !rule.is_empty()) {
                write!(css, ".{class}{{{rule}}}").expect("a string takes what is written to it");
            }
        }
        class
    }
}

/// The first attribute, its value, and what comes after.
fn attribute(rest: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = rest.split_once("=\"")?;
    let (value, rest) = rest.split_once('"')?;
    Some((name, value, rest.trim_start()))
}

/// "_0" to "_z", "_10" and so on: names that no other class has.
fn named(mut at: usize) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((at % 36) as u32, 36).unwrap_or('0'));
        at /= 36;
        if at == 0 {
            break;
        }
    }
    format!("_{}", digits.iter().rev().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_has_one_class_and_the_rest_stays() {
        let mut classes = Classes::default();
        let page = "<p><i style=\"--l:#1;--d:#2\"></i>a <i style=\"--l:#1;--d:#2\"></i>b\
                    <svg width=\"8\"><path fill=\"none\" stroke=\"#010203\" style=\"--d:#040506\" stroke-width=\"14\" d=\"M1,2h3\"/>\
                   <path fill=\"none\" stroke=\"#010203\" style=\"--d:#040506\" stroke-width=\"14\" d=\"M5,2h3\"/>\
                   <text x=\"1\" fill=\"#010203\" style=\"--d:#040506\">a &lt; b</text><g fill=\"none\"><title>t</title></g></svg></p>";
        let drawn = classes.page(page);
        let expected = "<p><i class=_0></i>a <i class=_0></i>b<svg width=\"8\"><path class=_1 d=\"M1,2h3\"/><path class=_1 d=\"M5,2h3\"/>\
                        <text class=_2 x=\"1\">a &lt; b</text><g fill=\"none\"><title>t</title></g></svg></p>";
        assert_eq!(drawn, expected);
        let css = classes.css();
        assert!(
            css.contains("._1{fill:none;stroke:#010203;stroke-width:14px}") && css.contains("._1{stroke:#040506}"),
            "{css}"
        );
        assert_eq!((named(35), named(36)), ("_z".to_owned(), "_10".to_owned()));
    }
}
