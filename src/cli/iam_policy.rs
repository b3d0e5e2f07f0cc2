//! `bedrock-model-map iam-policy`.

use std::collections::BTreeSet;

use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;

use super::mapping;
use super::output::{Outcome, PrintError, eprint_note, print};
use super::source::{SourceArgs, SourceError};
use super::terraform;
use crate::bedrock::iam_policy::{Grant, GrantError, MAX_POLICY_CHARACTERS, Policies, Precision};
use crate::bedrock::resolve::{Resolution, ResolveError};
use crate::reader::ModelMap;

#[derive(Debug, clap::Args)]
pub(super) struct IamPolicy {
    /// Region from which callers invoke models; repeatable. Default: all regions of the map, or with
    /// --live every region enabled for the account.
    #[arg(long = "region", value_name = "REGION", value_parser = mapping::region)]
    regions: Vec<String>,

    /// Models to grant: an ID, a glob on IDs (* and ?), or a name, as for resolve; repeatable.
    /// Default: all models.
    #[arg(long = "model", value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    models: Vec<String>,

    /// Output format.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "json")]
    format: Format,

    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// IAM policy documents, one after the other.
    Json,
    /// Data sources of the type `aws_iam_policy_document`.
    Terraform,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum IamPolicyError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("no model matches that has an ID to pass")]
    NothingToGrant,
    #[error(transparent)]
    Print(#[from] PrintError),
}

impl IamPolicy {
    pub(super) fn execute(self) -> Result<Outcome, IamPolicyError> {
        let map = self.source.read(&self.regions)?;
        let grants = self.grants(&map)?;
        if grants.is_empty() {
            return Err(IamPolicyError::NothingToGrant);
        }
        let policies = Policies::new(&grants);
        for note in notes(&policies, grants.len()) {
            eprint_note(&note);
        }
        match self.format {
            Format::Json => {
                for document in &policies.documents {
                    let json = serde_json::to_string_pretty(document).map_err(PrintError::from)?;
                    print(&format!("{json}\n"))?;
                }
            }
            Format::Terraform => print(&terraform::policy_documents(&policies.documents))?,
        }
        Ok(Outcome::Complete)
    }

    /// The IDs of the chosen models. Models without one are left out and counted on stderr.
    fn grants(&self, map: &ModelMap) -> Result<BTreeSet<Grant>, IamPolicyError> {
        let (mut grants, mut without_id) = (BTreeSet::new(), 0_usize);
        for resolution in self.chosen(map)? {
            match Grant::try_from(&resolution) {
                Ok(grant) => {
                    grants.insert(grant);
                }
                Err(GrantError::NoId) => without_id += 1,
                Err(error @ GrantError::NoArn) => eprint_note(&format!(
                    "{} in {} is left out: {error}",
                    resolution.model_id, resolution.region
                )),
            }
        }
        if without_id > 0 {
            eprint_note(&format!(
                "left out without an ID to pass: {without_id} (region, model) pairs"
            ));
        }
        Ok(grants)
    }

    /// The models of the chosen regions that match. A model that no region has is an error.
    fn chosen(&self, map: &ModelMap) -> Result<Vec<Resolution>, ResolveError> {
        let everything = ["*".to_owned()];
        let wanted = if self.models.is_empty() {
            &everything[..]
        } else {
            &self.models
        };
        let mut chosen = Vec::new();
        for model in wanted {
            let (mut found, mut last_error) = (false, None);
            for (region, _) in map.regions() {
                if !self.regions.is_empty() && !self.regions.iter().any(|named| named == region) {
                    continue;
                }
                match map.resolve(region, model) {
                    Ok(resolutions) => {
                        found = true;
                        chosen.extend(resolutions);
                    }
                    Err(error) => last_error = Some(error),
                }
            }
            if let (false, Some(error)) = (found, last_error) {
                return Err(error);
            }
        }
        Ok(chosen)
    }
}

fn notes(policies: &Policies, ids: usize) -> Vec<String> {
    let sizes: Vec<_> = policies
        .documents
        .iter()
        .map(|document| document.characters().to_string())
        .collect();
    let sizes = format!("{} of {MAX_POLICY_CHARACTERS} characters", sizes.join(", "));
    let mut notes = vec![match policies.documents.len() {
        1 => format!("IDs granted: {ids}, by {sizes}"),
        count => format!("IDs granted: {ids}, by {count} policies ({sizes}): attach all of them"),
    }];
    if policies.precision == Precision::AnyRegion {
        notes.push(
            "exact ARNs exceed the limit: the models of inference profiles are allowed in any region, through these profiles only"
                .to_owned(),
        );
    }
    notes
}
