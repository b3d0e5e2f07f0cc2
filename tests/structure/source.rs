//! The modules of `src/`, and the paths that each names outside of comments, strings and tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// All modules, by name.
pub struct Sources(BTreeMap<String, Module>);

pub struct Module {
    /// Without `crate`: `reconcile::plan`.
    pub name: String,
    pub file: String,
    /// Without the tests at its end.
    pub lines: usize,
    /// Each as it is written.
    paths: BTreeSet<Vec<String>>,
    /// Of `use`; of these, names of one segment count too.
    imports: BTreeSet<Vec<String>>,
    /// What `pub use` gives a second name, by this name.
    exports: BTreeMap<String, Vec<String>>,
}

impl Sources {
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut modules = BTreeMap::new();
        read_folder(&root, &mut Vec::new(), &mut modules);
        assert!(modules.len() > 50, "{} modules only", modules.len());
        Self(modules)
    }

    /// All modules but the root.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.0.values().filter(|module| !module.name.is_empty())
    }

    /// The modules in which the things are that a module names.
    pub fn imports(&self, module: &Module) -> BTreeSet<String> {
        let paths = module.paths.iter().filter(|path| path.len() > 1);
        paths
            .chain(&module.imports)
            .filter_map(|path| self.target(module, path, 0))
            .filter(|target| !target.is_empty() && *target != module.name)
            .collect()
    }

    /// The module in which a thing is, also if another one exports it.
    fn target(&self, module: &Module, path: &[String], depth: usize) -> Option<String> {
        assert!(depth < 9, "{} exports in a circle: {path:?}", module.file);
        let path = self.absolute(module, path)?;
        let longest = (0..=path.len())
            .rev()
            .find(|&end| self.0.contains_key(&path[..end].join("::")))?;
        let target = &self.0[&path[..longest].join("::")];
        match path.get(longest).and_then(|name| target.exports.get(name)) {
            Some(export) => self.target(target, export, depth + 1),
            None => Some(target.name.clone()),
        }
    }

    /// The path from the root of the crate, unless it begins elsewhere.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let mut absolute: Vec<String> = module.name.split("::").map(str::to_owned).collect();
        absolute.retain(|segment| !segment.is_empty());
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => absolute.clear(),
            "self" | "super" => {
                while rest.first().is_some_and(|first| first == "super") {
                    absolute.pop();
                    rest = &rest[1..];
                }
                absolute.extend_from_slice(rest.strip_prefix(&["self".to_owned()]).unwrap_or(rest));
                return Some(absolute);
            }
            child => {
                let name = [absolute.as_slice(), &[child.to_owned()]]
                    .concat()
                    .join("::");
                if !self.0.contains_key(&name) {
                    return None;
                }
                absolute.extend_from_slice(rest);
                return Some(absolute);
            }
        }
        absolute.extend_from_slice(&rest[1..]);
        Some(absolute)
    }
}

fn read_folder(folder: &Path, name: &mut Vec<String>, modules: &mut BTreeMap<String, Module>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_root = name.is_empty() && stem == "lib";
        if stem == "tests" || (name.is_empty() && stem == "main") {
            continue;
        }
        name.push(stem.clone());
        if path.is_dir() {
            read_folder(&path, name, modules);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_folder_itself = stem == "mod" || is_root;
            let end = name.len() - usize::from(is_folder_itself);
            let module = Module::read(&path, name[..end].join("::"));
            modules.insert(module.name.clone(), module);
        }
        name.pop();
    }
}

impl Module {
    fn read(path: &Path, name: String) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut module = Self {
            name,
            file: path.strip_prefix(root).unwrap().display().to_string(),
            lines: code.lines().count(),
            paths: BTreeSet::new(),
            imports: BTreeSet::new(),
            exports: BTreeMap::new(),
        };
        let tokens: TokenStream = text.parse().unwrap();
        module.collect(tokens);
        module
    }

    /// Whether the code has these names one after the other, as a path.
    pub fn names(&self, path: &str) -> bool {
        let wanted: Vec<&str> = path.split("::").collect();
        let mut paths = self.paths.iter().chain(&self.imports);
        paths.any(|path| path.windows(wanted.len()).any(|window| window == wanted))
    }

    fn collect(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < trees.len() {
            match &trees[at] {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    at += 1 + usize::from(is_punct(trees.get(at + 1), '!'));
                    let attribute = trees.get(at).map(ToString::to_string).unwrap_or_default();
                    at += 1;
                    if attribute.replace(' ', "") == "[cfg(test)]" {
                        at = after_item(&trees, at);
                    }
                }
                TokenTree::Ident(ident) if ident == "use" => {
                    let is_export = at > 0 && {
                        let before = trees[at - 1].to_string();
                        before == "pub" || before.starts_with('(')
                    };
                    at = self.collect_use(&trees, at + 1, &[], is_export);
                }
                TokenTree::Ident(ident) => {
                    let mut path = vec![ident.to_string()];
                    at += 1;
                    while let Some(TokenTree::Ident(next)) = trees.get(at + 2)
                        && is_punct(trees.get(at), ':')
                        && is_punct(trees.get(at + 1), ':')
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    self.paths.insert(path);
                }
                TokenTree::Group(group) => {
                    self.collect(group.stream());
                    at += 1;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
            }
        }
    }

    /// The paths of a `use`, braces resolved; returns where it ends.
    fn collect_use(
        &mut self,
        trees: &[TokenTree],
        start: usize,
        prefix: &[String],
        is_export: bool,
    ) -> usize {
        let mut path = prefix.to_vec();
        let mut name = None;
        let mut at = start;
        loop {
            match trees.get(at) {
                Some(TokenTree::Ident(ident)) if ident == "as" => {
                    name = trees.get(at + 1).map(ToString::to_string);
                    at += 1;
                }
                Some(TokenTree::Ident(ident)) => path.push(ident.to_string()),
                Some(TokenTree::Group(group)) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    let mut from = 0;
                    while from < inner.len() {
                        from = self.collect_use(&inner, from, &path, is_export);
                    }
                    path.clear();
                }
                Some(TokenTree::Punct(punct)) if matches!(punct.as_char(), ':' | '*') => {}
                _ => break,
            }
            at += 1;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(last) = path.last() {
            if is_export {
                let name = name.unwrap_or_else(|| last.clone());
                self.exports.insert(name, path);
            } else {
                self.imports.insert(path);
            }
        }
        at + 1
    }
}

fn is_punct(tree: Option<&TokenTree>, character: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Where the item ends that begins here.
fn after_item(trees: &[TokenTree], start: usize) -> usize {
    let is_end = |tree: &TokenTree| match tree {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    };
    let end = trees[start..].iter().position(is_end);
    end.map_or(trees.len(), |end| start + end + 1)
}
