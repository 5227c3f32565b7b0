(* A fixed split of the cache over the layers has no competitive ratio at all.
   The algorithm is any online algorithm that never holds more than quota i pages of layer i; it may prefetch. *)
From Coq Require Import List Arith Bool Lia FinFun.
From LP.library Require Import Model Online.
Import ListNotations.

Definition of_layer (n i : nat) (c : cache) : cache := filter (fun p => layer n p =? i) c.
Definition split (l n : nat) (quota : nat -> nat) (alg : list nat -> cache) : Prop :=
  forall h i, i < l -> length (of_layer n i (alg h)) <= quota i.

(* some layer has at most k / l slots *)
Lemma small_quota l k (quota : nat -> nat) : 1 <= l -> list_sum (map quota (seq 0 l)) <= k ->
  exists i, i < l /\ quota i <= k / l.
Proof.
  intros Hl H. assert (G : (exists i, i < l /\ quota i <= k / l) \/ l * S (k / l) <= list_sum (map quota (seq 0 l))).
  { clear H. generalize (k / l) as a. intros a. clear Hl k. induction l as [|m IH]; [right; simpl; lia|].
    destruct IH as [[i [H1 H2]]|IH]; [left; exists i; split; auto; lia|].
    destruct (le_lt_dec (quota m) a); [left; exists m; split; auto; lia|right].
    rewrite seq_S, map_app, list_sum_app. simpl. lia. }
  destruct G as [G|G]; auto. exfalso. pose proof (Nat.mul_succ_div_gt k l ltac:(lia)). lia.
Qed.

Section Split.
Variables l n k : nat.
Hypothesis l_two : 2 <= l.
Hypothesis k_more : l + 1 <= k.
Notation q := (k / l).
Hypothesis n_more : q + 1 <= n.
Variable quota : nat -> nat.
Variable alg : list nat -> cache.
Hypothesis alg_online : online alg k.
Hypothesis alg_split : split l n quota alg.
Variable i : nat.
Hypothesis i_layer : i < l.
Hypothesis i_quota : quota i <= q.

(* q + 1 pages of layer i in turn, and one page of each other layer *)
Definition asked (t : nat) : nat := if t mod l =? i then i * n + (t / l) mod (q + 1) else t mod l * n.
Fixpoint hist (T : nat) : list nat := match T with 0 => [] | S U => asked U :: hist U end.
Definition all_pages : cache := map (fun e => i * n + e) (seq 0 (q + 1)) ++ map (fun j => j * n) (filter (fun j => negb (j =? i)) (seq 0 l)).

Lemma asked_ok t : asked t < l * n /\ layer n (asked t) = t mod l /\ In (asked t) all_pages.
Proof.
  pose proof (Nat.mod_upper_bound t l ltac:(lia)) as H1. pose proof (Nat.mod_upper_bound (t / l) (q + 1) ltac:(lia)) as H2.
  unfold asked, all_pages, layer. destruct (Nat.eqb_spec (t mod l) i) as [E|E].
  - split; [nia|]. split.
    + rewrite E, Nat.add_comm, Nat.div_add by lia. rewrite Nat.div_small; lia.
    + apply in_or_app. left. apply in_map. apply in_seq. lia.
  - split; [nia|]. split; [now rewrite Nat.div_mul by lia|].
    apply in_or_app. right. apply (in_map (fun j => j * n)). apply filter_In. split; [apply in_seq; lia|].
    apply negb_true_iff. now apply Nat.eqb_neq.
Qed.
Lemma hist_layered T : layered l n 0 (rev (hist T)).
Proof.
  assert (E : forall U, length (hist U) = U) by (induction U; simpl; auto).
  induction T; simpl; auto. apply layered_app; auto. rewrite rev_length, E. simpl.
  destruct (asked_ok T) as [A [B _]]. auto.
Qed.

(* they all fit *)
Lemma fits : q + l <= k.
Proof.
  pose proof (Nat.div_mod k l ltac:(lia)) as D. assert (1 <= q) by (apply Nat.div_le_lower_bound; lia).
  destruct (Nat.eq_dec q 1) as [->|]; [lia|]. assert (2 <= q) by lia. nia.
Qed.
Lemma others_few m : length (filter (fun j => negb (j =? i)) (seq 0 m)) + (if i <? m then 1 else 0) <= m.
Proof.
  induction m as [|m IH]; [reflexivity|]. rewrite seq_S, filter_app, app_length. simpl.
  destruct (Nat.eqb_spec m i) as [->|N]; simpl.
  - rewrite Nat.ltb_irrefl in IH. assert (i <? S i = true) as -> by (apply Nat.ltb_lt; lia). lia.
  - destruct (Nat.ltb_spec i m), (Nat.ltb_spec i (S m)); lia.
Qed.
Lemma all_pages_fit : is_cache k all_pages.
Proof.
  assert (Hn : 1 <= n) by lia. split.
  - apply NoDup_app_.
    + apply FinFun.Injective_map_NoDup; [intros a b H; lia|apply seq_NoDup].
    + apply FinFun.Injective_map_NoDup; [intros a b H; apply Nat.mul_cancel_r in H; lia|apply NoDup_filter, seq_NoDup].
    + intros x H1 H2. apply in_map_iff in H1, H2. destruct H1 as [e [<- He]], H2 as [j [Hj Hf]].
      apply filter_In in Hf. destruct Hf as [_ Hf]. apply negb_true_iff, Nat.eqb_neq in Hf. apply in_seq in He.
      apply Hf. assert (E : (j * n) / n = (i * n + e) / n) by congruence.
      rewrite Nat.div_mul, Nat.add_comm, Nat.div_add, (Nat.div_small e) in E by lia. lia.
  - unfold all_pages. rewrite app_length, !map_length, seq_length. pose proof (others_few l) as O. pose proof fits.
    assert (i <? l = true) as E by (now apply Nat.ltb_lt). rewrite E in O. lia.
Qed.
Lemma stays s : (forall p, In p s -> In p all_pages) -> schedule k all_pages s 0.
Proof.
  induction s as [|p s IH]; intros H; [constructor|].
  replace 0 with (length (minus all_pages all_pages) + 0) by (now rewrite minus_self).
  constructor; [apply all_pages_fit|apply H; now left|apply IH; intros x Hx; apply H; now right].
Qed.
Lemma optimum s : (forall p, In p s -> In p all_pages) -> exists m, schedule k [] s m /\ m <= k.
Proof.
  intros H. destruct s as [|p s]; [exists 0; split; [constructor|lia]|].
  exists (length (minus all_pages []) + 0). split.
  - constructor; [apply all_pages_fit|apply H; now left|apply stays; intros x Hx; apply H; now right].
  - rewrite Nat.add_0_r. etransitivity; [|apply all_pages_fit].
    apply NoDup_incl_length; [apply minus_NoDup, all_pages_fit|]. intros x Hx. apply minus_In in Hx. tauto.
Qed.

(* the algorithm pays at least once in q + 1 rounds *)
Lemma paid_mono T d : paid alg (hist T) <= paid alg (hist (d + T)).
Proof. induction d; simpl; [auto|]. lia. Qed.
Lemma no_load T d : paid alg (hist (d + T)) = paid alg (hist T) -> forall e, e <= d -> incl (alg (hist (e + T))) (alg (hist T)).
Proof.
  intros H e. induction e as [|e IH]; intros He; [intros x; auto|].
  intros x Hx. simpl in Hx. apply IH; [lia|].
  destruct (in_dec Nat.eq_dec x (alg (hist (e + T)))); auto. exfalso.
  pose proof (paid_mono T e). assert (M : paid alg (hist (S e + T)) <= paid alg (hist (d + T))).
  { replace (d + T) with ((d - S e) + (S e + T)) by lia. apply paid_mono. }
  simpl in M. assert (X : In x (minus (alg (asked (e + T) :: hist (e + T))) (alg (hist (e + T))))) by (apply minus_In; auto).
  destruct (minus (alg (asked (e + T) :: hist (e + T))) (alg (hist (e + T)))); [inversion X|]. simpl in *. lia.
Qed.
Lemma pays X : X <= paid alg (hist (X * ((q + 1) * l))).
Proof.
  induction X as [|X IH]; [lia|]. set (d := (q + 1) * l) in *.
  replace (S X * d) with (d + X * d) by (simpl; lia).
  pose proof (paid_mono (X * d) d) as M.
  destruct (Nat.eq_dec (paid alg (hist (d + X * d))) (paid alg (hist (X * d)))) as [E|]; [|lia]. exfalso.
  pose proof (no_load (X * d) d E) as L.
  assert (Hin : forall e, e < q + 1 -> In (i * n + e) (alg (hist (X * d)))).
  { intros e He. set (t := e * l + i). assert (Ht : S t <= d) by (unfold t, d; nia).
    apply (L (S t) Ht). simpl. replace (i * n + e) with (asked (t + X * d)).
    - destruct alg_online as [_ A]. apply A.
    - unfold asked. replace (t + X * d) with (i + (e + X * (q + 1)) * l) by (unfold t, d; ring).
      rewrite Nat.mod_add, Nat.mod_small, Nat.eqb_refl by lia.
      rewrite Nat.div_add, (Nat.div_small i l) by lia. simpl.
      rewrite Nat.mod_add, Nat.mod_small by lia. reflexivity. }
  pose proof (alg_split (hist (X * d)) i i_layer) as S1.
  assert (q + 1 <= length (of_layer n i (alg (hist (X * d))))); [|lia].
  replace (q + 1) with (length (map (fun e => i * n + e) (seq 0 (q + 1)))) by (now rewrite map_length, seq_length).
  apply NoDup_incl_length; [apply FinFun.Injective_map_NoDup; [intros a b H; lia|apply seq_NoDup]|].
  intros x Hx. apply in_map_iff in Hx. destruct Hx as [e [<- He]]. apply in_seq in He.
  apply filter_In. split; [apply Hin; lia|]. apply Nat.eqb_eq. unfold layer.
  rewrite Nat.add_comm, Nat.div_add, Nat.div_small by lia. lia.
Qed.

Lemma no_ratio P Q : at_most l n k (paid alg) P Q -> Q = 0.
Proof.
  intros [add H]. destruct Q as [|Q]; auto. exfalso.
  set (X := P * k + add + 1). destruct (optimum (rev (hist (X * ((q + 1) * l))))) as [m [M1 M2]].
  { intros p Hp. apply in_rev in Hp. revert Hp. generalize (X * ((q + 1) * l)) as T. intros T.
    induction T as [|T IH]; simpl; [tauto|]. intros [<-|Hp]; auto. apply asked_ok. }
  specialize (H (hist (X * ((q + 1) * l))) m (hist_layered _) M1). pose proof (pays X) as HX.
  assert (P * m <= P * k) by (apply Nat.mul_le_mono_l; exact M2).
  assert (1 * paid alg (hist (X * ((q + 1) * l))) <= S Q * paid alg (hist (X * ((q + 1) * l)))) by (apply Nat.mul_le_mono_r; lia).
  unfold X in *. lia.
Qed.
End Split.

Theorem fixed_partition : forall l n k quota alg, 2 <= l -> l + 1 <= k -> k / l + 1 <= n ->
  list_sum (map quota (seq 0 l)) <= k -> online alg k -> split l n quota alg ->
  forall P Q, at_most l n k (paid alg) P Q -> Q = 0.
Proof.
  intros l n k quota alg H1 H2 H3 H4 H5 H6 P Q H7.
  destruct (small_quota l k quota ltac:(lia) H4) as [i [I1 I2]].
  exact (no_ratio l n k H1 H2 H3 quota alg H5 H6 i I1 I2 P Q H7).
Qed.
