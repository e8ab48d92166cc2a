//! Programs for real: everything here starts what a machine has, behind the walls that it has.

mod confinement;
mod endings;
mod forms;
mod handed;
mod killed;
mod outputs;
mod shared;
mod streams;
mod support;
