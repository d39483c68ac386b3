//! What a piece of Rust names: its `use` items, its paths, also those in macros and attributes, and its words.

use proc_macro2::{Ident, Spacing, TokenStream, TokenTree};
use std::collections::BTreeSet;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, ItemUse, Macro, Meta, UseTree, VisRestricted, Visibility};

/// What a piece of code names. Code of tests is left out.
#[derive(Default)]
pub struct Code {
    /// Imports, those within functions as well.
    pub imports: Vec<Import>,
    /// Paths of two names or more.
    pub paths: Vec<Vec<String>>,
    /// Every name.
    pub words: BTreeSet<String>,
    /// Fields that a part of the crate sees.
    pub fields: Vec<Field>,
}

/// A field that is `pub(…)`.
#[derive(Clone, Debug)]
pub struct Field {
    /// The line that it begins on.
    pub line: usize,
    /// The path in its brackets.
    pub seen_in: Vec<String>,
}

/// One name that a `use` item brings in.
#[derive(Clone, Debug)]
pub struct Import {
    /// The path.
    pub path: Vec<String>,
    /// What it is called here; `_` as well.
    pub name: String,
    /// Whether it stands for all names of the path.
    pub glob: bool,
    /// Whether others get it from here.
    pub handed_on: bool,
}

/// Whether an item is compiled for tests only.
pub fn is_test(attributes: &[Attribute]) -> bool {
    let says_test = |attribute: &Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    };
    attributes.iter().any(says_test)
}

/// The attributes of an item that may stand in a module.
#[expect(clippy::wildcard_enum_match_arm, reason = "syn may add kinds of items")]
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => panic!("a kind of item that the reader does not know"),
    }
}

/// The name that an item has in its module, imports and modules aside.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others have no name")]
pub fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

impl Code {
    /// Gathers the paths and words of tokens that syn has no tree for.
    fn tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let is =
            |at: usize, sign: char| matches!(&trees.get(at), Some(TokenTree::Punct(found)) if found.as_char() == sign);
        let joint = |at: usize| matches!(&trees[at], TokenTree::Punct(found) if found.spacing() == Spacing::Joint);
        let colons = |at: usize| is(at, ':') && joint(at) && is(at + 1, ':');
        let mut at = 0;
        while at < trees.len() {
            let start = at;
            at += 1;
            if let TokenTree::Group(group) = &trees[start] {
                self.tokens(group.stream());
            }
            let TokenTree::Ident(first) = &trees[start] else { continue };
            let mut path = vec![first.to_string()];
            while colons(at)
                && let Some(TokenTree::Ident(next)) = trees.get(at + 2)
            {
                path.push(next.to_string());
                at += 3;
            }
            self.words.extend(path.iter().cloned());
            let goes_on = start >= 2 && colons(start - 2);
            let is_parameter = start >= 1 && is(start - 1, '$') && first != "crate";
            if path.len() > 1 && !goes_on && !is_parameter {
                self.paths.push(path);
            }
        }
    }

    /// Gathers the paths that an attribute has in strings, as serde's do.
    fn strings(&mut self, tokens: TokenStream) {
        for tree in tokens {
            if let TokenTree::Literal(literal) = tree
                && let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string())
                && text.value().contains("::")
                && let Ok(path) = text.parse::<syn::Path>()
            {
                self.visit_path(&path);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Code {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.paths.push(names(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.words.insert(ident.to_string());
    }

    fn visit_macro(&mut self, found: &'ast Macro) {
        self.visit_path(&found.path);
        self.tokens(found.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
            self.strings(list.tokens.clone());
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let handed_on = !matches!(item.vis, Visibility::Inherited);
        leaves(&item.tree, &[], handed_on, &mut self.imports);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these can be for tests here")]
    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        panic!("mod {} inside a function: the reader does not follow it", item.ident);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Visibility::Restricted(seen) = &field.vis {
            self.fields.push(Field { line: seen.pub_token.span.start().line, seen_in: names(&seen.path) });
        }
        visit::visit_field(self, field);
    }

    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}

fn names(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Adds every name that `tree` brings in, its paths beginning with `path`.
fn leaves(tree: &UseTree, path: &[String], handed_on: bool, imports: &mut Vec<Import>) {
    let to = |name: &Ident| if name == "self" { path.to_vec() } else { [path, &[name.to_string()]].concat() };
    let (path, name) = match tree {
        UseTree::Path(tree) => {
            return leaves(&tree.tree, &[path, &[tree.ident.to_string()]].concat(), handed_on, imports);
        }
        UseTree::Group(group) => return group.items.iter().for_each(|tree| leaves(tree, path, handed_on, imports)),
        UseTree::Name(tree) => (to(&tree.ident), to(&tree.ident).pop().expect("`self` stands behind a path")),
        UseTree::Rename(tree) => (to(&tree.ident), tree.rename.to_string()),
        UseTree::Glob(_) => (path.to_vec(), "*".to_owned()),
    };
    imports.push(Import { glob: name == "*", path, name, handed_on });
}
