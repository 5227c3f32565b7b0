(* Reads the data of one certificate as integers, hands them to the extracted checker and prints the theorem obtained.
   What must be believed here: that the numbers printed are the numbers that were checked. *)
open Verified

let next () = Scanf.scanf " %d" (fun x -> x)
let natural () = let x = next () in if x < 0 then failwith "a negative number" else x
let units = Array.make 4096 O
let () = for i = 1 to 4095 do units.(i) <- S units.(i - 1) done
let rec nat x = if x < 4096 then units.(x) else S (nat (x - 1))
let rec positive x = if x = 1 then XH else if x land 1 = 1 then XI (positive (x / 2)) else XO (positive (x / 2))
let z x = if x = 0 then Z0 else if x > 0 then Zpos (positive x) else Zneg (positive (-x))

let many item = List.init (natural ()) (fun _ -> item ())
let page () = nat (natural ())
let pages () = many page
let entry () = let c = pages () in let v = next () in (c, z v)
let noted () = let p = page () in let x = page () in (p, x)
let row () =
  let j = page () in
  let s = many noted in
  let es = many entry in
  ((j, s), es)

let policies = [| Lru, "Lru"; Fifo, "Fifo"; MarkFar, "MarkFar";
  Llru (true, true), "(Llru true true)"; Llru (true, false), "(Llru true false)";
  Llru (false, true), "(Llru false true)"; Llru (false, false), "(Llru false false)" |]

let say holds theorem =
  if holds then (Printf.printf "proved: %s\n" theorem; exit 0) else (print_endline "refused"; exit 1)

let () =
  let mode = next () in
  let a, name = policies.(natural ()) in
  let l = natural () in let n = natural () in let k = natural () in let h = natural () in
  let cost = Printf.sprintf "(policy_cost %d %d %d %s)" l n k name in
  let cycle () =
    let u = pages () in let w = pages () in
    let cu = many pages in let cw = many pages in
    let misses = nat (natural ()) in
    (u, w, cu, cw, misses) in
  match mode with
  | 1 ->
    let p = natural () in let q = natural () in let add = natural () in
    let rows = many row in
    let u, w, cu, cw, misses = cycle () in
    let optimum = nat (natural ()) in
    let s = pages () in let cs = many pages in
    say (verify a (nat l) (nat n) (nat k) (nat h) (nat p) (nat q) (nat add) rows u w cu cw misses optimum s cs)
      (Printf.sprintf "exact %d %d %d %s %d %d %d" l n h cost p q add)
  | 2 ->
    let u, w, cu, cw, misses = cycle () in
    say (verify_unbounded a (nat l) (nat n) (nat k) (nat h) u w cu cw misses)
      (Printf.sprintf "unbounded %d %d %d %s" l n h cost)
  | 3 ->
    let p = natural () in let q = natural () in
    let u, w, cu, cw, misses = cycle () in
    let optimum = nat (natural ()) in
    say (verify_lower a (nat l) (nat n) (nat k) (nat h) (nat p) (nat q) u w cu cw misses optimum)
      (Printf.sprintf "at_least %d %d %d %s %d %d" l n h cost p q)
  | _ -> failwith "an unknown mode"
