//! The program `bedrock-model-map`.

fn main() {
    match bedrock_model_map::api::crd_yaml() {
        Ok(yaml) => println!("{yaml}"),
        Err(e) => eprintln!("{e}"),
    }
}
