(* The LLRU that the checker plays keeps only what it needs: rounds since the last request, cut where more makes no difference.
   It misses exactly as often as LLRU by its definition, which keeps the time of the last request of every cached page.
   The first request has time 0.  R of a page that was requested last at time u, seen at time t:
   visit: (t - u) / l, the visits to its layer since then; absolute: t / l - u / l, the rounds.  D: layers forward to its own. *)
From Coq Require Import List Arith Bool Lia Sorted.
From LP.library Require Import Model Online Machine Renamed Policies.
Import ListNotations.

Section Plain.
Variables l n k : nat.
Variables visit far : bool.

Definition plain_index (t u : nat) : nat := if visit then (t - u) / l else t / l - u / l.
(* of layer and time of the last request *)
Definition plain_key (t i u : nat) : nat := plain_index t u * (l + 1) + ahead l (if far then l else 0) (t mod l) i.
Definition plain_step (t : nat) (s : state) (p : nat) : state * nat :=
  if has p s then ((p, t) :: drop p s, 0)
  else if length s <? k then ((p, t) :: s, 1)
  else ((p, t) :: drop_worst n (plain_key t) s, 1).
Fixpoint plain_cost (t : nat) (s : state) (q : list nat) : nat :=
  match q with [] => 0 | p :: q' => let (s', m) := plain_step t s p in m + plain_cost (S t) s' q' end.

Hypothesis l_pos : 1 <= l.
Notation gap := (if visit then 2 else 1).
Notation key := (llru_key l visit far).

(* both states side by side: page, rounds cut, time *)
Definition both := list (nat * nat * nat).
Definition cut_side (c : both) : state := map (fun e => (fst (fst e), snd (fst e))) c.
Definition time_side (c : both) : state := map (fun e => (fst (fst e), snd e)) c.
(* the differences of two, the newer first, are the same up to the gap *)
Definition alike (x u x' u' : nat) : Prop := x <= x' /\ u' <= u /\ Nat.min gap (x' - x) = Nat.min gap (u / l - u' / l).
Definition before (e e' : nat * nat * nat) : Prop := alike (snd (fst e)) (snd e) (snd (fst e')) (snd e').
Definition good (x u : nat) (c : both) : Prop := StronglySorted before c /\
  Forall (fun e => alike x u (snd (fst e)) (snd e) /\ snd e mod l = layer n (fst (fst e))) c.

Lemma cut_good c : forall x u y, good x u c ->
  exists d, cut gap x y (cut_side c) = cut_side d /\ time_side d = time_side c /\ good y u d.
Proof.
  induction c as [|[[p a] w] c IH]; intros x u y [H1 H2].
  - exists []. repeat split; constructor.
  - inversion H1 as [|e c' S1 S2]; subst. inversion H2 as [|e c' F1 F2]; subst. cbn [fst snd] in *.
    destruct F1 as [[A1 [A2 A3]] A4].
    set (z := y + Nat.min gap (a - x)).
    destruct (IH a w z) as [d [D1 [D2 [D3 D4]]]].
    { split; auto. rewrite Forall_forall in *. intros e He. specialize (S2 e He). specialize (F2 e He).
      unfold before in S2. cbn [fst snd] in S2. tauto. }
    exists ((p, z, w) :: d). split; [|split].
    + cbn [cut_side map cut fst snd]. fold z. unfold cut_side in D1. now rewrite D1.
    + cbn [time_side map fst snd]. unfold time_side in D2. now rewrite D2.
    + assert (Hdiv : w / l <= u / l) by (apply Nat.div_le_mono; lia).
      split.
      * constructor; auto. rewrite Forall_forall in *. intros e He. apply D4 in He. unfold before. cbn [fst snd]. tauto.
      * constructor; cbn [fst snd].
        -- split; auto. unfold alike, z. split; [lia|]. split; [auto|]. destruct visit; lia.
        -- rewrite Forall_forall in *. intros e He. apply D4 in He. destruct He as [[B1 [B2 B3]] B4]. split; auto.
           assert (snd e / l <= w / l) by (apply Nat.div_le_mono; lia).
           unfold alike. split; [unfold z in *; lia|]. split; [lia|]. unfold z in *. destruct visit; lia.
Qed.

(* a part of it *)
Lemma filter_good f c x u : good x u c -> good x u (filter f c).
Proof.
  intros [H1 H2]. split.
  - induction H1 as [|e c S1 IH S2]; simpl; [constructor|]. inversion H2; subst. destruct (f e); auto. constructor; auto.
    rewrite Forall_forall in *. intros e' He. apply filter_In in He. apply S2. tauto.
  - rewrite Forall_forall in *. intros e He. apply filter_In in He. apply H2. tauto.
Qed.
Lemma drop_sides p c : exists d, drop p (cut_side c) = cut_side d /\ drop p (time_side c) = time_side d /\
  d = filter (fun e => negb (fst (fst e) =? p)) c.
Proof.
  exists (filter (fun e => negb (fst (fst e) =? p)) c). split; [|split; auto]; unfold drop, cut_side, time_side;
    induction c as [|[[q a] w] c IH]; simpl; auto; destruct (q =? p); simpl; now rewrite IH.
Qed.
Lemma has_sides p c : has p (cut_side c) = has p (time_side c).
Proof. induction c as [|[[q a] w] c IH]; simpl; auto. now rewrite IH. Qed.

(* time passes: a new round is a round more for all *)
Lemma pass_good t c : good 1 (t - 1) c -> (t = 0 -> c = []) ->
  exists d, (if t mod l =? 0 then note S (cut_side c) else cut_side c) = cut_side d /\ time_side d = time_side c /\
    good (1 + 0) t d /\ Forall (fun e => snd e < t) d.
Proof.
  intros [H1 H2] H0. destruct (Nat.eq_dec t 0) as [->|Nt].
  - rewrite (H0 eq_refl). exists []. rewrite Nat.mod_0_l by lia. simpl. repeat split; constructor.
  - set (b := if t mod l =? 0 then 1 else 0).
    assert (Hb : t / l = (t - 1) / l + b).
    { pose proof (Nat.div_mod t l ltac:(lia)) as E. pose proof (Nat.mod_upper_bound t l ltac:(lia)). unfold b.
      destruct (Nat.eqb_spec (t mod l) 0) as [Z|Z].
      - assert (1 <= t / l) by (destruct (t / l); lia). symmetry.
        assert ((t - 1) / l = t / l - 1); [|lia].
        symmetry. apply (Nat.div_unique (t - 1) l (t / l - 1) (l - 1)); [lia|]. nia.
      - rewrite Nat.add_0_r. apply (Nat.div_unique (t - 1) l (t / l) (t mod l - 1)); lia. }
    exists (map (fun e => (fst (fst e), snd (fst e) + b, snd e)) c). split; [|split; [|split]].
    + unfold b, cut_side, note. destruct (t mod l =? 0); rewrite ?map_map; apply map_ext; intros [[p a] w]; simpl; f_equal; lia.
    + unfold time_side. rewrite map_map. apply map_ext. intros [[p a] w]. reflexivity.
    + rewrite Forall_forall in H2. split.
      * clear Hb H0. induction H1 as [|e c S1 IH S2]; simpl; constructor; auto.
        -- apply IH. intros e' He. apply H2. now right.
        -- rewrite Forall_forall in *. intros e' He. apply in_map_iff in He. destruct He as [e2 [<- He]].
           specialize (S2 e2 He). unfold before, alike in *. cbn [fst snd] in *. destruct S2 as [A [B C]].
           split; [lia|]. split; [auto|]. rewrite <- C. f_equal. lia.
      * rewrite Forall_forall. intros e' He. apply in_map_iff in He. destruct He as [e [<- He]].
        specialize (H2 e He). cbn [fst snd]. destruct H2 as [[A [B C]] D]. split; auto.
        unfold alike. split; [lia|]. split; [lia|]. rewrite Hb.
        assert (snd e / l <= (t - 1) / l) by (apply Nat.div_le_mono; lia). destruct visit; lia.
    + rewrite Forall_forall in *. intros e' He. apply in_map_iff in He. destruct He as [e [<- He]].
      specialize (H2 e He). cbn [snd]. unfold alike in H2. lia.
Qed.

(* the same page is the worst *)
Lemma visits t u : u < t -> (t - u) / l = t / l - u / l - (if t mod l <? u mod l then 1 else 0).
Proof.
  intros H. pose proof (Nat.div_mod t l ltac:(lia)) as Et. pose proof (Nat.div_mod u l ltac:(lia)) as Eu.
  pose proof (Nat.mod_upper_bound t l ltac:(lia)). pose proof (Nat.mod_upper_bound u l ltac:(lia)).
  assert (u / l <= t / l) by (apply Nat.div_le_mono; lia).
  assert (El : l * (t / l - u / l) = l * (t / l) - l * (u / l)) by apply Nat.mul_sub_distr_l.
  assert (l * (u / l) <= l * (t / l)) by (apply Nat.mul_le_mono_l; auto).
  symmetry. destruct (Nat.ltb_spec (t mod l) (u mod l)).
  - assert (u / l < t / l) by (destruct (Nat.eq_dec (u / l) (t / l)) as [E|]; [rewrite E in *; lia|lia]).
    apply (Nat.div_unique (t - u) l _ (l + t mod l - u mod l)); [lia|].
    assert (l * (t / l - u / l - 1) = l * (t / l - u / l) - l * 1) by apply Nat.mul_sub_distr_l.
    assert (l * 1 <= l * (t / l - u / l)) by (apply Nat.mul_le_mono_l; lia). lia.
  - rewrite Nat.sub_0_r. apply (Nat.div_unique (t - u) l _ (t mod l - u mod l)); lia.
Qed.
Lemma ahead_le same j i : same <= l -> ahead l same j i <= l.
Proof.
  intros H. unfold ahead. pose proof (Nat.mod_upper_bound (i + l - j) l ltac:(lia)).
  destruct (_ =? 0); lia.
Qed.
Lemma lexicographic a b c d : c <= l -> d <= l ->
  (a * (l + 1) + c <=? b * (l + 1) + d) = ((a <? b) || (a =? b) && (c <=? d)).
Proof.
  intros H1 H2. destruct (Nat.ltb_spec a b) as [L|L]; simpl.
  - apply Nat.leb_le. assert ((a + 1) * (l + 1) <= b * (l + 1)) by (apply Nat.mul_le_mono_r; lia).
    rewrite Nat.mul_add_distr_r in H. lia.
  - destruct (Nat.eqb_spec a b) as [->|N]; simpl.
    + destruct (Nat.leb_spec c d); [apply Nat.leb_le|apply Nat.leb_gt]; lia.
    + apply Nat.leb_gt. assert ((b + 1) * (l + 1) <= a * (l + 1)) by (apply Nat.mul_le_mono_r; lia).
      rewrite Nat.mul_add_distr_r in H. lia.
Qed.
Lemma order_of a b a' b' c : (a < b <-> a' < b') -> (a = b <-> a' = b') ->
  ((a <? b) || (a =? b) && c) = ((a' <? b') || (a' =? b') && c).
Proof.
  intros H1 H2. replace (a' <? b') with (a <? b).
  - replace (a' =? b') with (a =? b); auto. destruct (Nat.eqb_spec a b), (Nat.eqb_spec a' b'); tauto.
  - destruct (Nat.ltb_spec a b), (Nat.ltb_spec a' b'); auto; exfalso; lia.
Qed.
Lemma order_visit x x' v v' w d d' : 1 <= x -> x <= x' -> v' <= v -> v <= w ->
  Nat.min 2 (x' - x) = Nat.min 2 (v - v') -> Nat.min 2 (x - 1) = Nat.min 2 (w - v) -> Nat.min 2 (x' - 1) = Nat.min 2 (w - v') ->
  d <= 1 -> d' <= 1 -> (d = 1 -> v < w) -> (d' = 1 -> v' < w) ->
  (x - d < x' - d' <-> w - v - d < w - v' - d') /\ (x - d = x' - d' <-> w - v - d = w - v' - d').
Proof.
  intros X1 X2 V1 V2 M1 M2 M3 D1 D2 E1 E2.
  assert (G : (x' - x = v - v' /\ x' - x <= 1) \/ (2 <= x' - x /\ 2 <= v - v')) by (clear - M1; lia).
  assert (G1 : d = 1 -> 2 <= x) by (clear - M2 E1; intros; lia).
  assert (G2 : d' = 1 -> 2 <= x') by (clear - M3 E2; intros; lia).
  clear M1 M2 M3. destruct d as [|[|d]]; [| |lia]; (destruct d' as [|[|d']]; [| |lia]);
    try specialize (G1 eq_refl); try specialize (G2 eq_refl); try specialize (E1 eq_refl); try specialize (E2 eq_refl);
    destruct G as [[G G']|[G G']]; clear D1 D2; split; lia.
Qed.
(* e is newer than e' *)
Lemma same_order t e e' : before e e' -> alike 1 t (snd (fst e)) (snd e) -> alike 1 t (snd (fst e')) (snd e') ->
  snd e < t -> snd e' < t -> snd e mod l = layer n (fst (fst e)) -> snd e' mod l = layer n (fst (fst e')) ->
  (key (t mod l) (layer n (fst (fst e))) (snd (fst e)) <=? key (t mod l) (layer n (fst (fst e'))) (snd (fst e'))) =
  (plain_key t (layer n (fst (fst e))) (snd e) <=? plain_key t (layer n (fst (fst e'))) (snd e')).
Proof.
  destruct e as [[p x] u], e' as [[p' x'] u']. unfold before, alike. cbn [fst snd].
  intros [B1 [B2 B3]] [A1 [A2 A3]] [A1' [A2' A3']] Hu Hu' Hi Hi'.
  unfold llru_key, plain_key, plain_index. rewrite !lexicographic by (apply ahead_le; destruct far; lia).
  set (h := ahead l (if far then l else 0) (t mod l) (layer n p)). set (h' := ahead l (if far then l else 0) (t mod l) (layer n p')).
  rewrite <- Hi, <- Hi'. clear Hi Hi'. clearbody h h'.
  assert (U : u / l <= t / l) by (apply Nat.div_le_mono; lia). assert (U' : u' / l <= u / l) by (apply Nat.div_le_mono; lia).
  pose proof (visits t u Hu) as V. pose proof (visits t u' Hu') as V'.
  pose proof (Nat.div_mod t l ltac:(lia)) as Et. pose proof (Nat.div_mod u l ltac:(lia)) as Eu.
  pose proof (Nat.div_mod u' l ltac:(lia)) as Eu'.
  assert (L : t mod l < u mod l -> u / l < t / l).
  { intros. destruct (Nat.eq_dec (u / l) (t / l)) as [E|]; [rewrite E in *; lia|lia]. }
  assert (L' : t mod l < u' mod l -> u' / l < t / l).
  { intros. destruct (Nat.eq_dec (u' / l) (t / l)) as [E|]; [rewrite E in *; lia|lia]. }
  revert B3 A3 A3'. destruct visit; cbn [andb]; intros B3 A3 A3'.
  - rewrite V, V'. clear V V' Et Eu Eu' Hu Hu' A2 A2' B2.
    assert (E : forall (b : bool) y, (if b then y - 1 else y) = y - (if b then 1 else 0))
      by (clear; intros [|] y; [reflexivity|now rewrite Nat.sub_0_r]).
    rewrite !E. clear E.
    revert L L'. set (w := t / l) in *. set (v := u / l) in *. set (v' := u' / l) in *. clearbody w v v'.
    generalize (t mod l) (u mod l) (u' mod l). intros j i i' L L'.
    assert (D1 : (if j <? i then 1 else 0) <= 1) by (destruct (j <? i); auto).
    assert (D2 : (if j <? i' then 1 else 0) <= 1) by (destruct (j <? i'); auto).
    assert (E1 : (if j <? i then 1 else 0) = 1 -> v < w) by (destruct (Nat.ltb_spec j i); [auto|discriminate]).
    assert (E2 : (if j <? i' then 1 else 0) = 1 -> v' < w) by (destruct (Nat.ltb_spec j i'); [auto|discriminate]).
    destruct (order_visit x x' v v' w _ _ A1 B1 U' U B3 A3 A3' D1 D2 E1 E2) as [O1 O2]. now apply order_of.
  - assert (G : x = x' <-> u / l = u' / l) by (clear - B1 U' B3; lia).
    apply order_of; clear - G B1 U U'; lia.
Qed.

Lemma same_worst t c : forall e, good 1 t (e :: c) -> Forall (fun e => snd e < t) (e :: c) ->
  fst (worst n (key (t mod l)) (fst (fst e), snd (fst e)) (cut_side c)) =
  fst (worst n (plain_key t) (fst (fst e), snd e) (time_side c)).
Proof.
  unfold worst. induction c as [|e2 c IH]; intros e [G1 G2] T; [reflexivity|].
  inversion G1 as [|a b S1 S2]; subst. inversion S1 as [|a b S3 S4]; subst. inversion S2 as [|a b S5 S6]; subst.
  inversion G2 as [|a b F1 F2]; subst. inversion F2 as [|a b F3 F4]; subst.
  inversion T as [|a b T1 T2]; subst. inversion T2 as [|a b T3 T4]; subst.
  cbn [cut_side time_side map fold_left fst snd].
  rewrite (same_order t e e2 S5 (proj1 F1) (proj1 F3) T1 T3 (proj2 F1) (proj2 F3)).
  destruct (_ <=? _).
  - apply (IH e2); [split; auto|auto].
  - apply (IH e); [split; [constructor; auto|constructor; auto]|constructor; auto].
Qed.

Lemma steps_together t c p : layer n p = t mod l -> good 1 (t - 1) c -> (t = 0 -> c = []) ->
  exists d, good 1 t d /\ fst (llru_step l n k visit far (t mod l) (cut_side c) p) = cut_side d /\
    fst (plain_step t (time_side c) p) = time_side d /\
    snd (llru_step l n k visit far (t mod l) (cut_side c) p) = snd (plain_step t (time_side c) p).
Proof.
  intros Hp Hg H0. destruct (pass_good t c Hg H0) as [d [D1 [D2 [D3 D4]]]]. simpl in D3.
  assert (Fin : forall r, good 1 t r ->
    exists d', good 1 t d' /\ (p, 1) :: cut gap 1 1 (cut_side r) = cut_side d' /\ (p, t) :: time_side r = time_side d').
  { intros r Hr. destruct (cut_good r 1 t 1 Hr) as [r' [R1 [R2 [R3 R4]]]]. exists ((p, 1, t) :: r').
    split; [|split].
    - split; constructor; auto.
      + rewrite Forall_forall in *. intros e He. apply R4 in He. unfold before. cbn [fst snd]. tauto.
      + cbn [fst snd]. unfold alike. rewrite !Nat.sub_diag. repeat split; auto.
    - simpl. unfold cut_side at 2. simpl. f_equal. exact R1.
    - unfold time_side at 2. simpl. f_equal. now rewrite <- R2. }
  unfold llru_step, plain_step. rewrite D1, has_sides.
  replace (length (cut_side c)) with (length (time_side c)) by (unfold cut_side, time_side; now rewrite !map_length).
  rewrite <- D2. destruct (has p (time_side d)) eqn:E; [|destruct (length (time_side d) <? k)]; cbn [fst snd].
  - destruct (drop_sides p d) as [r [R1 [R2 R3]]]. rewrite R1, R2.
    destruct (Fin r) as [d' F]; [subst r; now apply filter_good|]. exists d'. tauto.
  - destruct (Fin d D3) as [d' F]. exists d'. tauto.
  - assert (W : exists r, good 1 t r /\ drop_worst n (key (t mod l)) (cut_side d) = cut_side r /\
      drop_worst n (plain_key t) (time_side d) = time_side r).
    { destruct d as [|e r]; [exists []; repeat split; constructor|].
      destruct (drop_sides (fst (worst n (plain_key t) (fst (fst e), snd e) (time_side r))) (e :: r)) as [w [W1 [W2 W3]]].
      exists w. split; [subst w; now apply filter_good|]. split; [|exact W2].
      change (drop (fst (worst n (key (t mod l)) (fst (fst e), snd (fst e)) (cut_side r))) (cut_side (e :: r)) = cut_side w).
      rewrite (same_worst t r e D3 D4). exact W1. }
    destruct W as [r [W1 [W2 W3]]]. rewrite W2, W3. destruct (Fin r W1) as [d' F]. exists d'. tauto.
Qed.

Lemma costs_together q : forall t c, layered l n t q -> good 1 (t - 1) c -> (t = 0 -> c = []) ->
  cost l state (llru_step l n k visit far) t (cut_side c) q = plain_cost t (time_side c) q.
Proof.
  induction q as [|p q IH]; intros t c Hq Hg H0; [reflexivity|]. destruct Hq as [_ [Hp Hq]].
  destruct (steps_together t c p Hp Hg H0) as [d [D1 [D2 [D3 D4]]]]. cbn [cost plain_cost].
  destruct (llru_step l n k visit far (t mod l) (cut_side c) p) as [s m], (plain_step t (time_side c) p) as [s' m'].
  cbn [fst snd] in *. subst. f_equal. apply IH; auto; [simpl; now rewrite Nat.sub_0_r|lia].
Qed.
End Plain.

Theorem llru_plain : forall l n k visit far h, 1 <= l -> layered l n 0 (rev h) ->
  policy_cost l n k (Llru visit far) h = plain_cost l n k visit far 0 [] (rev h).
Proof.
  intros l n k visit far h Hl Hh. unfold policy_cost. apply (costs_together l n k visit far Hl (rev h) 0 []); auto.
  split; constructor.
Qed.
