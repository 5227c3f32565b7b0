(* Reads integers, hands them to the function that is proved, and prints the statement that it answers. *)
open Verified

let rec positive x = if x = 1 then XH else if x land 1 = 1 then XI (positive (x / 2)) else XO (positive (x / 2))
let z x = if x = 0 then Z0 else if x > 0 then Zpos (positive x) else Zneg (positive (-x))
let small = Array.init 4096 z
let number x = if x >= 0 && x < 4096 then small.(x) else z x

let read () =
  let rec more found =
    match Scanf.scanf " %s" (fun word -> word) with
    | "" -> List.rev found
    | word -> more (number (int_of_string word) :: found) in
  more []

let rec int = function O -> 0 | S x -> 1 + int x
let line name numbers = String.concat " " (name :: List.map (fun x -> string_of_int (int x)) numbers)
let policy = function
  | Lru -> "Lru" | Fifo -> "Fifo" | MarkFar -> "MarkFar"
  | Llru (visit, far) -> Printf.sprintf "(Llru %b %b)" visit far
let cost l n k a = Printf.sprintf "(%s %s)" (line "policy_cost" [l; n; k]) (policy a)

let () =
  match judge (read ()) with
  | None -> print_endline "refused"; exit 1
  | Some s -> print_endline ("proved: " ^ match s with
    | Exactly (a, l, n, k, h, p, q, add) -> line (line "exact" [l; n; h] ^ " " ^ cost l n k a) [p; q; add]
    | Unbounded (a, l, n, k, h) -> line "unbounded" [l; n; h] ^ " " ^ cost l n k a
    | AtLeast (a, l, n, k, h, p, q) -> line (line "at_least" [l; n; h] ^ " " ^ cost l n k a) [p; q]
    | SomePolicy (l, n, k, p, q) -> line "some_policy" [l; n; k; p; q]
    | EveryPolicy (l, n, k, p, q) -> line "every_policy" [l; n; k; p; q])
