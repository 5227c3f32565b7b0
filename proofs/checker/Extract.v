(* The checker as a program: one function that is proved becomes OCaml. *)
From Coq Require Import Extraction ExtrOcamlBasic.
From LP.library Require Import Judge.
Extraction Language OCaml.
Extraction "verified.ml" judge.
