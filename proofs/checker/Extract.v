(* The checker as a program: the functions below, and nothing that is not proved, become OCaml. *)
From Coq Require Import Extraction ExtrOcamlBasic.
From LP.library Require Import Exact.
Extraction Language OCaml.
Extraction "verified.ml" verify verify_lower verify_unbounded.
