//! Components made of a core module's text: what a compiler would not write, and yet runs.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::root;

/// A component of the contract's base world. The text has a function `$run` of the type `(param i32) (result i32)`,
/// which is the task; it imports nothing.
///
/// # Panics
/// Where the text is no module.
pub fn core_module(text: &str, manifest: &str) -> Vec<u8> {
    let task = "hostler:plugin/task@0.1.0#run";
    let text = format!(
        "(module\n(memory (export \"memory\") 1)\n{text}\n(func $called (param i32 i32 i32) (result i32) unreachable)\n\
         (export \"[async-lift]{task}\" (func $run))\n(export \"[callback][async-lift]{task}\" (func $called)))"
    );
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).expect("the contract");
    let world = resolve.select_world(&[package], Some("base")).expect("its base world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("a module of that world");
    let mut component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .expect("a component of that world");
    let section = wasm_encoder::CustomSection { name: "hostler:manifest".into(), data: manifest.as_bytes().into() };
    wasm_encoder::ComponentSection::append_to_component(&section, &mut component);
    component
}

/// The component with so many more instances of a module inside it, each with a memory of so many pages.
pub fn with_instances(component: &[u8], pages: u64, instances: u32) -> Vec<u8> {
    let mut module = wasm_encoder::Module::new();
    let mut memories = wasm_encoder::MemorySection::new();
    let memory = wasm_encoder::MemoryType {
        minimum: pages,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    memories.memory(memory);
    module.section(&memories);
    let mut made = component.to_vec();
    wasm_encoder::ComponentSection::append_to_component(&wasm_encoder::ModuleSection(&module), &mut made);
    let mut instantiated = wasm_encoder::InstanceSection::new();
    let none: [(&str, wasm_encoder::ModuleArg); 0] = [];
    for _ in 0..instances {
        instantiated.instantiate(modules(component), none);
    }
    wasm_encoder::ComponentSection::append_to_component(&instantiated, &mut made);
    made
}

/// How many core modules stand in a component itself: its sections are an identifier, a length and so many bytes.
fn modules(component: &[u8]) -> u32 {
    const CORE_MODULE: u8 = 1;
    let (mut place, mut found) = (8, 0);
    while place < component.len() {
        found += u32::from(component[place] == CORE_MODULE);
        place += 1;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = component[place];
            place += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        place += length;
    }
    found
}
