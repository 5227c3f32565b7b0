(* Where l divides k + 1, k + 1 = l w and 2 <= w <= n: no randomized policy has a ratio below H_(k-l+1) + (l-1)/(k+1).
   w pages of each layer are asked for, one more than there are slots.  The adversary knows the probabilities, not the dice.
   In a phase it asks once for each page, and for the pages asked for (D) in between.  First it asks in every other layer for
   the page that is most likely absent.  Then it waits until what is asked for already is hardly ever absent, and asks for the
   page that is absent most likely.  A schedule misses once. *)
From Coq Require Import List Arith Bool Lia QArith Lqa.
From LP.library Require Import Model Online Layers Chance Absent Oblivious.
Import ListNotations.
Local Open Scope Q_scope.

Section Adversary.
Variables l n w : nat.
Hypothesis l_pos : (1 <= l)%nat.
Hypothesis w_two : (2 <= w)%nat.
Hypothesis w_le_n : (w <= n)%nat.
Notation k := (l * w - 1)%nat.
Notation lay := (layer n).
(* the pages that are asked for *)
Definition row (j : nat) : list nat := seq (j * n) w.
Definition all : list nat := flat_map row (seq 0 l).

Lemma size : (2 * l <= l * w)%nat.
Proof. rewrite (Nat.mul_comm 2). apply Nat.mul_le_mono_l. auto. Qed.
Lemma row_lay j y : In y (row j) -> lay y = j.
Proof.
  unfold row. rewrite in_seq. intros [H1 H2]. replace y with (j * n + (y - j * n))%nat by lia. apply layer_page. lia.
Qed.
Lemma row_In j y : (j < l)%nat -> In y (row j) <-> In y all /\ lay y = j.
Proof.
  intros Hj. unfold all. rewrite in_flat_map. split.
  - intros H. split; [|apply row_lay; auto]. exists j. split; auto. apply in_seq. lia.
  - intros [[i [_ H]] E]. rewrite (row_lay i y H) in E. subst i. auto.
Qed.
Lemma lay_small y : In y all -> (lay y < l)%nat.
Proof. unfold all. rewrite in_flat_map. intros [j [Hj H]]. apply in_seq in Hj. rewrite (row_lay j y H). lia. Qed.
Lemma all_small y : In y all -> (y < l * n)%nat.
Proof.
  unfold all. rewrite in_flat_map. intros [j [Hj H]]. apply in_seq in Hj. unfold row in H. apply in_seq in H.
  assert (S j * n <= l * n)%nat by (apply Nat.mul_le_mono_r; lia). simpl in H0. lia.
Qed.
Lemma rows_ok f s m : NoDup (flat_map row (seq s m)) /\ length (flat_map row (seq s m)) = (m * w)%nat /\
  sum f (flat_map row (seq s m)) == sum (fun j => sum f (row j)) (seq s m).
Proof.
  revert s. induction m as [|m IH]; intros s; simpl; [split; [constructor|split; reflexivity]|].
  destruct (IH (S s)) as [I1 [I2 I3]]. split; [|split].
  - apply NoDup_app_; [apply seq_NoDup|auto|]. intros y H1 H2. apply in_flat_map in H2. destruct H2 as [j [J1 J2]].
    apply in_seq in J1. apply row_lay in H1, J2. lia.
  - rewrite app_length, I2. unfold row. rewrite seq_length. lia.
  - rewrite sum_app, I3. reflexivity.
Qed.
Lemma all_NoDup : NoDup all.
Proof. apply (rows_ok (fun _ => 0)). Qed.
Lemma all_length : length all = (l * w)%nat.
Proof. apply (rows_ok (fun _ => 0)). Qed.
Lemma sum_rows f : sum f all == sum (fun j => sum f (row j)) (seq 0 l).
Proof. apply rows_ok. Qed.
Variable kernel : list nat -> cache -> dist cache.
Hypothesis kernel_ok : randomized kernel l n k.
Notation expected := (expected kernel).
Notation x := (x kernel).
Notation window_pays := (window_pays l n k kernel kernel_ok).
Notation grows := (expected_grows l n k kernel kernel_ok).


Lemma all_layers j : (j < l)%nat -> exists d, In d all /\ lay d = j.
Proof. intros Hj. exists (j * n)%nat. apply (row_In j _ Hj). unfold row. apply in_seq. lia. Qed.
Lemma all_S : length all = S (l * w - 1).
Proof. pose proof size. rewrite all_length. lia. Qed.
Lemma k_pos : (1 <= l * w - 1)%nat.
Proof. pose proof size. lia. Qed.
Notation rich := (rich l n all).
Notation rest := (rest all).
Notation rest_length := (rest_length (l * w - 1) all all_NoDup all_S).
Variable eps : Q.
Hypothesis eps_pos : 0 < eps.
Hypothesis eps_small : eps < 1.
Notation later := (later l n (l * w - 1) l_pos k_pos all all_NoDup all_S all_small all_layers kernel kernel_ok eps eps_pos eps_small).

(* the beginning of a phase, after a request to p *)
Section Opening.
Variable p : nat.
Hypothesis p_all : In p all.
Variable h0 : list nat.
Let h := p :: h0.
Hypothesis Hb : backwards l n h.
Let i := lay p.
Let t := length h.
Definition among (j : nat) : list nat := if (j =? i)%nat then remove Nat.eq_dec p (row j) else row j.
Definition pick (j : nat) : nat := top (x h) (among j).
Definition chosen (d : nat) : nat := pick ((t + d) mod l).
Definition opening : list nat := map chosen (seq 0 (l - 1)).

Lemma i_small : (i < l)%nat.
Proof. apply lay_small, p_all. Qed.
Lemma i_due : ((t + (l - 1)) mod l = i)%nat.
Proof.
  destruct Hb as [_ [H _]]. unfold t, h, i. simpl length. rewrite H.
  replace (S (length h0) + (l - 1))%nat with (length h0 + 1 * l)%nat by lia. apply Nat.mod_add. lia.
Qed.
Lemma among_length j : (j < l)%nat -> length (among j) = if (j =? i)%nat then (w - 1)%nat else w.
Proof.
  intros Hj. unfold among. assert (Lr : length (row j) = w) by apply seq_length. destruct (j =? i)%nat eqn:E; auto.
  apply Nat.eqb_eq in E. subst j. pose proof (length_remove p (row i) (seq_NoDup _ _)) as L.
  specialize (L (proj2 (row_In i p i_small) (conj p_all eq_refl))). unfold row in *. lia.
Qed.
Lemma pick_In j : (j < l)%nat -> In (pick j) all /\ lay (pick j) = j /\ pick j <> p.
Proof.
  intros Hj. assert (Hne : among j <> []).
  { intros E. pose proof (among_length j Hj) as L. rewrite E in L. simpl in L. destruct (j =? i)%nat; lia. }
  destruct (top_ok (x h) (among j) Hne) as [T _]. fold (pick j) in T. unfold among in T. destruct (j =? i)%nat eqn:E.
  - apply in_remove in T. destruct T as [T1 T2]. apply row_In in T1; tauto.
  - apply row_In in T; [|auto]. apply Nat.eqb_neq in E. destruct T as [T1 T2]. split; auto. split; auto.
    intros Ep. rewrite Ep in T2. unfold i in E. congruence.
Qed.
Lemma row_sum j : (j < l)%nat -> sum (x h) (row j) <= (if (j =? i)%nat then q (w - 1) else q w) * x h (pick j).
Proof.
  intros Hj. pose proof (among_length j Hj) as L. assert (Hne : among j <> []).
  { intros E. rewrite E in L. simpl in L. destruct (j =? i)%nat; lia. }
  pose proof (top_sum (x h) (among j) Hne) as T. fold (pick j) in T. rewrite L in T. unfold among in T.
  destruct (j =? i)%nat eqn:E; [|exact T]. apply Nat.eqb_eq in E. subst j.
  rewrite (sum_remove _ p (row i) (seq_NoDup _ _)) by (apply row_In; [apply i_small|split; [apply p_all|auto]]).
  pose proof (x_self l n k kernel kernel_ok p h0 Hb) as X. fold h in X. rewrite X. lra.
Qed.
(* what the opening asks for is likely to be absent, or the page left for layer i is *)
Lemma likely : 1 <= q w * sum (x h) opening + q (w - 1) * x h (pick i).
Proof.
  pose proof size as Sz.
  pose proof (x_total l n k kernel kernel_ok h all Hb all_NoDup ltac:(rewrite all_length; lia)) as T.
  rewrite sum_rows in T.
  set (B := fun j => (if (j =? i)%nat then q (w - 1) else q w) * x h (pick j)).
  assert (T2 : sum (fun j => sum (x h) (row j)) (seq 0 l) <= sum B (seq 0 l)).
  { apply sum_le. intros j Hj. apply in_seq in Hj. apply row_sum. lia. }
  assert (Perm : sum B (seq 0 l) == sum B (map (fun d => ((t + d) mod l)%nat) (seq 0 l))).
  { assert (Dm : NoDup (map (fun d => ((t + d) mod l)%nat) (seq 0 l))).
    { apply NoDup_nth with (d := 0%nat). intros a b Ha Hb2 E. rewrite map_length, seq_length in Ha, Hb2.
      rewrite !nth_indep with (d := 0%nat) (d' := ((t + 0) mod l)%nat) in E by (rewrite map_length, seq_length; auto).
      rewrite !(map_nth (fun d => ((t + d) mod l)%nat)), !seq_nth in E by auto. rewrite !Nat.add_0_l in E.
      destruct (lt_eq_lt_dec a b) as [[C|C]|C]; auto; exfalso.
      - apply (mod_apart l l_pos (t + a) (b - a)); try lia. rewrite E. f_equal. lia.
      - apply (mod_apart l l_pos (t + b) (a - b)); try lia. rewrite <- E. f_equal. lia. }
    assert (Im : incl (map (fun d => ((t + d) mod l)%nat) (seq 0 l)) (seq 0 l)).
    { intros j Hj. apply in_map_iff in Hj. destruct Hj as [d [<- _]]. apply in_seq.
      pose proof (Nat.mod_upper_bound (t + d) l ltac:(lia)). lia. }
    apply sum_same; auto; [apply seq_NoDup|]. intros j. split; [|apply Im].
    apply NoDup_length_incl; auto. rewrite map_length, !seq_length. lia. }
  rewrite sum_map in Perm. replace (seq 0 l) with (seq 0 (l - 1) ++ [(l - 1)%nat]) in Perm at 2.
  2: { replace l with (S (l - 1)) at 3 by lia. rewrite seq_S. auto. }
  rewrite sum_app in Perm. cbn [sum] in Perm. rewrite i_due in Perm.
  rewrite (sum_ext (fun d => B ((t + d) mod l)%nat) (fun d => q w * x h (chosen d))) in Perm.
  - rewrite sum_scale in Perm. unfold opening. rewrite sum_map.
    assert (Bi : B i == q (w - 1) * x h (pick i)) by (unfold B; rewrite Nat.eqb_refl; reflexivity). rewrite Bi in Perm. lra.
  - intros d Hd. apply in_seq in Hd. unfold B, chosen. replace ((t + d) mod l =? i)%nat with false; [reflexivity|].
    symmetry. apply Nat.eqb_neq. rewrite <- i_due. intros E. apply (mod_apart l l_pos (t + d) (l - 1 - d)); try lia.
    rewrite E. f_equal. lia.
Qed.
Lemma opening_length : length opening = (l - 1)%nat.
Proof. unfold opening. rewrite map_length, seq_length. auto. Qed.
Lemma opening_backwards : backwards l n (rev opening ++ h).
Proof.
  assert (G : forall m s, layered l n (t + s) (map chosen (seq s m))).
  { induction m as [|m IH]; intros s; [exact I|]. cbn [seq map]. unfold chosen at 1.
    destruct (pick_In ((t + s) mod l)%nat (Nat.mod_upper_bound (t + s) l ltac:(lia))) as [P1 [P2 _]].
    split; [apply all_small; exact P1|]. split; [exact P2|]. specialize (IH (S s)).
    replace (t + S s)%nat with (S (t + s)) in IH by lia. exact IH. }
  apply backwards_app. split; [exact Hb|]. specialize (G (l - 1)%nat 0%nat). rewrite Nat.add_0_r in G. exact G.
Qed.
Lemma opening_layers : NoDup (map lay (p :: opening)).
Proof.
  pose proof (window_layers l n l_pos _ opening_backwards) as W. rewrite firstn_app, rev_length, opening_length in W.
  replace (l - (l - 1))%nat with 1%nat in W by lia. rewrite firstn_all2 in W by (rewrite rev_length, opening_length; lia).
  unfold h in W. cbn [firstn] in W. apply NoDup_rev in W. rewrite <- map_rev, rev_app_distr, rev_involutive in W. exact W.
Qed.
Lemma opening_rich : rich (p :: opening).
Proof.
  split; [apply (NoDup_map_inv lay), opening_layers|]. split.
  - intros y [<-|Hy]; [apply p_all|]. apply in_map_iff in Hy. destruct Hy as [d [<- _]].
    apply pick_In. apply Nat.mod_upper_bound. lia.
  - intros j Hj. assert (Hi : incl (seq 0 l) (map lay (p :: opening))).
    { apply NoDup_length_incl; [apply opening_layers|rewrite map_length, seq_length; cbn [length]; rewrite opening_length; lia|].
      intros v Hv. apply in_map_iff in Hv. destruct Hv as [y [<- Hy]]. apply in_seq.
      assert (Ya : In y all).
      { destruct Hy as [<-|Hy]; [apply p_all|]. apply in_map_iff in Hy. destruct Hy as [d [<- _]].
        apply pick_In. apply Nat.mod_upper_bound. lia. }
      pose proof (lay_small y Ya). lia. }
    assert (Hjl : In j (seq 0 l)) by (apply in_seq; lia). apply Hi, in_map_iff in Hjl. destruct Hjl as [y [Y1 Y2]]. eauto.
Qed.

Definition bound : Q := harmonic (l * w - l) + q (l - 1) / q (l * w).
Lemma phase : exists s z, backwards l n (z :: s ++ h) /\ z <> p /\ ~ In z s /\ incl (z :: s) all /\
  expected h + (1 - eps) * bound <= expected (z :: s ++ h).
Proof.
  pose proof size as Sz. pose proof likely as Li. pose proof opening_rich as Ri. pose proof opening_backwards as Bw.
  set (S := sum (x h) opening) in *. set (a := x h (pick i)) in *.
  assert (S0 : 0 <= S).
  { unfold S. rewrite <- (Qmult_0_l (sum (x h) opening)), <- sum_scale. apply sum_le. intros y _.
    pose proof (x_0 l n k kernel kernel_ok h y Hb). lra. }
  assert (a0 : 0 <= a) by (apply (x_0 l n k kernel kernel_ok); auto).
  assert (NDo : NoDup opening) by (pose proof (proj1 Ri) as D; inversion D; auto).
  pose proof (window_pays opening h NDo (rev opening) Bw ltac:(intros y Hy; apply in_rev in Hy; auto)) as W. fold S in W.
  assert (Lr : (length (rest (p :: opening)) = l * w - l)%nat).
  { pose proof (rest_length (p :: opening) (proj1 Ri) (proj1 (proj2 Ri))) as L. cbn [length] in L. rewrite opening_length in L. lia. }
  assert (Ql : 0 < q l) by (apply q_pos; lia). assert (Qm : 0 < q (w - 1)) by (apply q_pos; lia).
  assert (Qn : q w == q (w - 1) + 1) by (replace w with (Datatypes.S (w - 1)) at 1 by lia; apply q_S).
  assert (QN : q (l * w - l) == q l * q (w - 1)) by (replace (l * w - l)%nat with (l * (w - 1))%nat by nia; apply q_mult).
  assert (Q1 : q (l - 1) == q l - 1) by (assert (E : q l == q (l - 1) + 1) by (replace l with (Datatypes.S (l - 1)) at 1 by lia; apply q_S); lra).
  assert (Qln : q (l * w) == q l * (q (w - 1) + 1)) by (rewrite q_mult, Qn; reflexivity).
  set (L := q l) in *. set (m := q (w - 1)) in *.
  assert (R0 : 0 <= bound).
  { unfold bound. pose proof (harmonic_0 (l * w - l)). assert (0 <= q (l - 1) / q (l * w)); [|lra].
    unfold Qdiv. apply Qmult_le_0_compat; [apply q_0|apply q_inv]. }
  assert (Re : (1 - eps) * bound <= bound) by (assert (0 <= eps * bound) by (apply Qmult_le_0_compat; lra); lra).
  assert (F1 : q (l - 1) / q (l * w) == (L - 1) * / (L * (m + 1))) by (rewrite Q1, Qln; reflexivity).
  assert (Dec : (l * w - l = 1)%nat \/ a < (1 - eps) * / (L * m) \/ ((2 <= l * w - l)%nat /\ (1 - eps) * / (L * m) <= a)).
  { destruct (Nat.eq_dec (l * w - l) 1); [auto|]. destruct (Qlt_le_dec a ((1 - eps) * / (L * m))); [auto|]. right; right. split; [nia|auto]. }
  assert (CaseB : (1 - eps) * ((L - 1) * / (L * (m + 1))) <= S -> exists s z, backwards l n (z :: s ++ h) /\ z <> p /\ ~ In z s /\
            incl (z :: s) all /\ expected h + (1 - eps) * bound <= expected (z :: s ++ h)).
  { intros HS. destruct (later bound (l * w - l - 1) (p :: opening) (rev opening ++ h) Ri ltac:(lia) Bw) as [s [z [Z1 [Z2 [Z3 [Z5 Z4]]]]]].
    exists (s ++ rev opening), z. rewrite <- app_assoc. split; [exact Z1|]. split; [intros ->; apply Z2; left; auto|].
    split; [rewrite in_app_iff, <- in_rev; intros [?|?]; [auto|apply Z2; right; auto]|].
    split; [intros y [<-|Hy]; [apply Z5; left; auto|]; apply in_app_or in Hy; destruct Hy as [Hy|Hy];
      [apply Z5; right; auto|apply (proj1 (proj2 Ri)); right; apply in_rev; auto]|].
    destruct Z4 as [Z4|Z4]; [lra|]. replace (Datatypes.S (l * w - l - 1)) with (l * w - l)%nat in Z4 by lia.
    unfold bound. rewrite F1. lra. }
  destruct Dec as [N1|[C|[N2 C]]].
  - apply CaseB. assert (E1 : l = 1%nat) by nia. assert (EL : L == 1) by (unfold L; rewrite E1; reflexivity).
    rewrite EL. setoid_replace ((1 - eps) * ((1 - 1) * / (1 * (m + 1)))) with 0 by (field; lra). auto.
  - apply CaseB. rewrite Qn in Li.
    assert (Hm : m * a <= / L).
    { assert (a <= / (L * m)).
      { assert (0 <= / (L * m)) by (apply Qinv_le_0_compat; apply Qmult_le_0_compat; lra).
        assert (0 <= eps * / (L * m)) by (apply Qmult_le_0_compat; lra). lra. }
      assert (a * m <= / (L * m) * m) by (apply Qmult_le_compat_r; lra).
      assert (/ (L * m) * m == / L) by (field; lra). lra. }
    assert (HS : 1 - / L <= (m + 1) * S) by lra.
    assert (HS2 : (1 - / L) * / (m + 1) <= (m + 1) * S * / (m + 1)) by (apply Qmult_le_compat_r; [auto|apply Qinv_le_0_compat; lra]).
    assert (E1 : (m + 1) * S * / (m + 1) == S) by (field; lra).
    assert (E2 : (1 - / L) * / (m + 1) == (L - 1) * / (L * (m + 1))) by (field; lra).
    assert (E3 : 0 <= (L - 1) * / (L * (m + 1))).
    { apply Qmult_le_0_compat; [pose proof (q_0 (l - 1)); lra|]. apply Qinv_le_0_compat, Qmult_le_0_compat; lra. }
    assert (0 <= eps * ((L - 1) * / (L * (m + 1)))) by (apply Qmult_le_0_compat; lra). lra.
  - destruct (pick_In i i_small) as [P1 [P2 P3]].
    assert (Pn : ~ In (pick i) (p :: opening)).
    { intros [H|H]; [congruence|]. pose proof opening_layers as D. cbn [map] in D. inversion D as [|u v D1 D2]; subst. apply D1.
      fold i. rewrite <- P2. apply in_map. auto. }
    assert (Ra : rich (pick i :: p :: opening)).
    { destruct Ri as [R1 [R2 R3]]. split; [constructor; auto|]. split; [intros y [<-|Hy]; auto|].
      intros j Hj. destruct (R3 j Hj) as [d [D1 D2]]. exists d. split; [right; auto|auto]. }
    assert (La : (length (rest (pick i :: p :: opening)) = l * w - l - 1)%nat).
    { pose proof (rest_length _ (proj1 Ra) (proj1 (proj2 Ra))) as E. cbn [length] in E. rewrite opening_length in E. lia. }
    assert (Ba : backwards l n (pick i :: rev opening ++ h)).
    { split; [apply all_small; auto|]. split; [|exact Bw]. rewrite P2, app_length, rev_length, opening_length. fold t.
      rewrite <- i_due. f_equal. lia. }
    assert (Wa := window_pays (pick i :: opening) h ltac:(constructor; [intros H; apply Pn; right; auto|auto]) (pick i :: rev opening) Ba
              ltac:(intros y [<-|Hy]; [left; auto|right; apply in_rev in Hy; auto])). cbn [sum app] in Wa. fold S a in Wa.
    destruct (later bound (l * w - l - 2) (pick i :: p :: opening) (pick i :: rev opening ++ h) Ra ltac:(lia) Ba)
      as [s [z [Z1 [Z2 [Z3 [Z5 Z4]]]]]].
    exists (s ++ pick i :: rev opening), z. rewrite <- app_assoc. split; [exact Z1|]. split; [intros ->; apply Z2; right; left; auto|].
    split.
    { rewrite in_app_iff. cbn [In]. rewrite <- in_rev. intros [H|[H|H]]; [auto|apply Z2; left; auto|apply Z2; right; right; auto]. }
    split.
    { intros y [<-|Hy]; [apply Z5; left; auto|]. apply in_app_or in Hy. destruct Hy as [Hy|[<-|Hy]]; auto.
      - apply Z5. right; auto.
      - apply (proj1 (proj2 Ri)). right. apply in_rev. auto. }
    simpl app. destruct Z4 as [Z4|Z4]; [lra|].
    replace (Datatypes.S (l * w - l - 2)) with (l * w - l - 1)%nat in Z4 by lia.
    assert (HN : harmonic (l * w - l) == harmonic (l * w - l - 1) + / (L * m)).
    { replace (l * w - l)%nat with (Datatypes.S (l * w - l - 1)) at 1 by lia. cbn [harmonic].
      replace (Datatypes.S (l * w - l - 1)) with (l * w - l)%nat by lia. rewrite QN. reflexivity. }
    assert (Key : (1 - eps) * ((L - 1) * / (L * (m + 1)) + / (L * m)) <= S + a).
    { rewrite Qn in Li. assert (H1 : 1 + a <= (m + 1) * (S + a)) by lra.
      assert (H2 : (1 + a) * / (m + 1) <= (m + 1) * (S + a) * / (m + 1)) by (apply Qmult_le_compat_r; [auto|apply Qinv_le_0_compat; lra]).
      assert (E1 : (m + 1) * (S + a) * / (m + 1) == S + a) by (field; lra).
      assert (H3 : (1 + (1 - eps) * / (L * m)) * / (m + 1) <= (1 + a) * / (m + 1))
        by (apply Qmult_le_compat_r; [lra|apply Qinv_le_0_compat; lra]).
      assert (E2 : (L - 1) * / (L * (m + 1)) + / (L * m) == (1 + / (L * m)) * / (m + 1)) by (field; lra).
      assert (E3 : (1 - eps) * ((1 + / (L * m)) * / (m + 1)) <= (1 + (1 - eps) * / (L * m)) * / (m + 1)).
      { setoid_replace ((1 - eps) * ((1 + / (L * m)) * / (m + 1))) with ((1 - eps + (1 - eps) * / (L * m)) * / (m + 1)) by (field; lra).
        apply Qmult_le_compat_r; [lra|apply Qinv_le_0_compat; lra]. }
      rewrite E2. lra. }
    unfold bound. rewrite F1, HN. lra.
Qed.
End Opening.

End Adversary.

Theorem randomized_at_least : forall l n w k, (1 <= l)%nat -> (2 <= w)%nat -> (w <= n)%nat -> (k + 1 = l * w)%nat ->
  forall kernel, randomized kernel l n k -> forall r, 0 <= r -> expected_at_most l n k kernel r ->
  harmonic (k - l + 1) + q (l - 1) / q (k + 1) <= r.
Proof.
  intros l n w k Hl Hw Hn Hk kernel Hr. assert (E : k = (l * w - 1)%nat) by lia.
  pose proof (size l w Hw) as Sz. rewrite Hk. replace (k - l + 1)%nat with (l * w - l)%nat by lia. fold (bound l w). rewrite E in *.
  apply (at_least l n (l * w - 1) Hl ltac:(lia) (all l n w) ltac:(apply all_NoDup; auto) ltac:(rewrite all_length; lia)
    ltac:(apply all_small; auto) ltac:(apply all_layers; auto) kernel Hr).
  - unfold bound. pose proof (q_0 (l - 1)). pose proof (q_inv (l * w)).
    assert (0 <= q (l - 1) * / q (l * w)) by (apply Qmult_le_0_compat; auto).
    replace (l * w - l)%nat with (S (l * w - l - 1)) by lia. cbn [harmonic]. pose proof (harmonic_0 (l * w - l - 1)).
    assert (0 < / q (S (l * w - l - 1))) by (apply Qinv_lt_0_compat, q_pos; lia). unfold Qdiv. lra.
  - intros eps e0 e1 p h0 Hp Hb. apply (phase l n w Hl Hw Hn kernel Hr eps e0 e1 p Hp h0 Hb).
Qed.
