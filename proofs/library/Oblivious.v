(* An oblivious adversary that asks for k + 1 pages, one at least in each layer, knows the probabilities and not the dice.
   D are pages that are asked for already, one at least in each layer.  The adversary waits, asking for D only, until D is hardly
   ever absent; then it asks for the page that is absent most likely.  With u pages left that costs 1/u.  A schedule misses once
   in a phase, which ends with the last page that is left. *)
From Coq Require Import List Arith Bool Lia QArith Qround Lqa.
From LP.library Require Import Model Online Layers Lower Chance Absent.
Import ListNotations.
Local Open Scope Q_scope.

(* the page of the largest probability *)
Fixpoint top (f : nat -> Q) (L : list nat) : nat :=
  match L with [] => 0%nat | [y] => y | y :: r => let b := top f r in if Qle_bool (f b) (f y) then y else b end.
Lemma top_ok f L : L <> [] -> In (top f L) L /\ forall y, In y L -> f y <= f (top f L).
Proof.
  induction L as [|y [|z r] IH]; intros H; [congruence| |].
  - simpl. split; auto. intros u [->|[]]. lra.
  - destruct (IH ltac:(discriminate)) as [I1 I2]. set (b := top f (z :: r)) in *.
    change (top f (y :: z :: r)) with (if Qle_bool (f b) (f y) then y else b). destruct (Qle_bool (f b) (f y)) eqn:E.
    + apply Qle_bool_iff in E. split; [left; auto|]. intros u [<-|Hu]; [lra|]. apply I2 in Hu. lra.
    + assert (f y <= f b).
      { destruct (Qlt_le_dec (f y) (f b)) as [|C]; [lra|]. apply Qle_bool_iff in C. congruence. }
      split; [right; auto|]. intros u [<-|Hu]; auto.
Qed.
Lemma top_sum f L : L <> [] -> sum f L <= q (length L) * f (top f L).
Proof.
  intros H. destruct (top_ok f L H) as [_ T]. revert T. generalize (f (top f L)). clear H. intros a T.
  induction L as [|y r IH]; simpl length.
  - simpl. change (q 0) with 0. lra.
  - simpl sum. rewrite q_S. assert (f y <= a) by (apply T; left; auto).
    assert (sum f r <= q (length r) * a) by (apply IH; intros u Hu; apply T; right; auto). lra.
Qed.
(* a number of times eps that is at least B *)
Lemma archimedes B eps : 0 < eps -> exists M, B <= q M * eps.
Proof.
  intros H. exists (Z.to_nat (Qceiling (B / eps))). assert (E : B / eps <= q (Z.to_nat (Qceiling (B / eps)))).
  { apply Qle_trans with (inject_Z (Qceiling (B / eps))); [apply Qle_ceiling|]. unfold q. rewrite <- Zle_Qle. lia. }
  assert (B / eps * eps <= q (Z.to_nat (Qceiling (B / eps))) * eps) by (apply Qmult_le_compat_r; lra).
  assert (B / eps * eps == B) by (field; lra). lra.
Qed.

Section Oblivious.
Variables l n k : nat.
Hypothesis l_pos : (1 <= l)%nat.
Hypothesis k_pos : (1 <= k)%nat.
Notation lay := (layer n).
(* the pages that are asked for *)
Variable all : list nat.
Hypothesis all_NoDup : NoDup all.
Hypothesis all_length : length all = S k.
Hypothesis all_small : forall y, In y all -> (y < l * n)%nat.
Hypothesis all_layers : forall j, (j < l)%nat -> exists d, In d all /\ lay d = j.
Variable kernel : list nat -> cache -> dist cache.
Hypothesis kernel_ok : randomized kernel l n k.
Notation expected := (expected kernel).
Notation x := (x kernel).
Notation window_pays := (window_pays l n k kernel kernel_ok).
Notation grows := (expected_grows l n k kernel kernel_ok).

Lemma lay_small y : In y all -> (lay y < l)%nat.
Proof. intros H. apply all_small in H. apply Nat.div_lt_upper_bound; [intros ->; lia|lia]. Qed.

(* requests to pages of D only, which has a page in each layer *)
Definition rich (D : list nat) : Prop := NoDup D /\ incl D all /\ forall j, (j < l)%nat -> exists d, In d D /\ lay d = j.
Lemma wait D c : rich D -> forall h, backwards l n h -> exists s, length s = c /\ incl s D /\ backwards l n (s ++ h).
Proof.
  intros [_ [R2 R3]]. induction c as [|c IH]; intros h Hb; [exists []; split; auto; split; [intros y []|auto]|].
  destruct (R3 (length h mod l)%nat (Nat.mod_upper_bound (length h) l ltac:(lia))) as [d [D1 D2]].
  destruct (IH (d :: h)) as [s [S1 [S2 S3]]].
  { split; [apply all_small; auto|]. split; auto. }
  exists (s ++ [d]). rewrite <- app_assoc. split; [rewrite app_length; simpl; lia|]. split; [|exact S3].
  intros y Hy. apply in_app_or in Hy. destruct Hy as [Hy|[<-|[]]]; auto.
Qed.
Lemma reach D y h : rich D -> In y all -> backwards l n h -> exists s, incl s D /\ backwards l n (y :: s ++ h).
Proof.
  intros HD Hy Hb. pose proof (lay_small y Hy) as Ly.
  destruct (wait D (lay y + l - length h mod l) HD h Hb) as [s [S1 [S2 S3]]]. exists s. split; auto.
  split; [apply all_small; auto|]. split; auto. rewrite app_length, S1.
  pose proof (Nat.mod_upper_bound (length h) l ltac:(lia)). rewrite <- Nat.add_mod_idemp_r by lia.
  replace (lay y + l - length h mod l + length h mod l)%nat with (lay y + 1 * l)%nat by lia.
  rewrite Nat.mod_add by lia. rewrite Nat.mod_small; auto.
Qed.
Lemma sweep D L h : rich D -> incl L D -> backwards l n h -> exists s, incl s D /\ incl L s /\ backwards l n (s ++ h).
Proof.
  intros HD. revert h. induction L as [|y L IH]; intros h Hi Hb; [exists []; split; [intros z []|split; [intros z []|auto]]|].
  destruct (reach D y h HD) as [s1 [A1 A2]]; auto; [apply (proj1 (proj2 HD)), Hi; left; auto|].
  destruct (IH (y :: s1 ++ h)) as [s2 [B1 [B2 B3]]]; [intros z Hz; apply Hi; right; auto|auto|].
  exists (s2 ++ y :: s1). rewrite <- app_assoc. split; [|split; [|exact B3]].
  - intros z Hz. apply in_app_or in Hz. destruct Hz as [Hz|[<-|Hz]]; auto. apply Hi. left; auto.
  - intros z [<-|Hz]; apply in_or_app; [right; left; auto|left; auto].
Qed.

Section Phase.
Variable eps : Q.
Hypothesis eps_pos : 0 < eps.
Hypothesis eps_small : eps < 1.

(* wait until D is hardly ever absent, or until much has been paid *)
Lemma settle D M h : rich D -> backwards l n h -> exists s, incl s D /\ backwards l n (s ++ h) /\
  (sum (x (s ++ h)) D <= eps \/ expected h + q M * eps <= expected (s ++ h)).
Proof.
  intros HD. revert h. induction M as [|M IH]; intros h Hb.
  - exists []. split; [intros y []|]. split; auto. right. change (q 0) with 0. simpl. lra.
  - destruct (Qlt_le_dec eps (sum (x h) D)) as [C|C].
    + destruct (sweep D D h HD (incl_refl D) Hb) as [s1 [A1 [A2 A3]]].
      pose proof (window_pays D h (proj1 HD) s1 A3 A2) as W. destruct (IH (s1 ++ h) A3) as [s2 [B1 [B2 B3]]].
      exists (s2 ++ s1). rewrite <- app_assoc. split; [intros y Hy; apply in_app_or in Hy; destruct Hy; auto|]. split; auto.
      destruct B3 as [B3|B3]; [left; auto|right]. rewrite q_S. lra.
    + exists []. split; [intros y []|]. split; auto.
Qed.

Definition rest (D : list nat) : list nat := filter (fun y => negb (mem y D)) all.
Lemma rest_In D y : In y (rest D) <-> In y all /\ ~ In y D.
Proof. unfold rest. rewrite filter_In, negb_true_iff, <- not_true_iff_false, mem_In. tauto. Qed.
Lemma rest_length D : NoDup D -> incl D all -> (length D + length (rest D) = S k)%nat.
Proof.
  intros H1 H2. pose proof (filter_split (fun y => mem y D) all) as S. cbn beta in S. fold (rest D) in S.
  rewrite (filter_length_iff (fun y => mem y D) all D) in S; auto; [rewrite all_length in S; auto|].
  intros y. rewrite mem_In. split; [auto|tauto].
Qed.
Lemma sum_rest f D : NoDup D -> incl D all -> sum f all == sum f D + sum f (rest D).
Proof.
  intros H1 H2. rewrite <- sum_app. apply sum_same; [apply all_NoDup| |].
  - apply NoDup_app_; [auto|apply NoDup_filter, all_NoDup|]. intros y Y1 Y2. apply rest_In in Y2. tauto.
  - intros y. rewrite in_app_iff, rest_In. split; [|intros [?|?]; [auto|tauto]].
    intros Hy. destruct (in_dec Nat.eq_dec y D); tauto.
Qed.

(* the later part of a phase: u pages are left *)
Lemma later B : forall u D h, rich D -> length (rest D) = S u -> backwards l n h -> exists s z,
  backwards l n (z :: s ++ h) /\ ~ In z D /\ ~ In z s /\ incl (z :: s) all /\
  (expected h + B <= expected (z :: s ++ h) \/ expected h + (1 - eps) * harmonic (S u) <= expected (z :: s ++ h)).
Proof.
  destruct (archimedes B eps eps_pos) as [M HM].
  induction u as [|u IH]; intros D h HD Hu Hb.
  all: destruct (settle D M h HD Hb) as [s1 [A1 [A2 A3]]].
  all: assert (Hne : rest D <> []) by (intros E; rewrite E in Hu; discriminate).
  all: destruct (top_ok (x (s1 ++ h)) (rest D) Hne) as [T1 _]; pose proof (top_sum (x (s1 ++ h)) (rest D) Hne) as T2.
  all: set (y := top (x (s1 ++ h)) (rest D)) in *; apply rest_In in T1; destruct T1 as [Ya Yd].
  all: destruct (reach D y (s1 ++ h) HD Ya A2) as [s2 [B1 B2]].
  all: pose proof (grows s1 h A2) as G1.
  all: assert (W : expected (s1 ++ h) + x (s1 ++ h) y <= expected (y :: s2 ++ s1 ++ h)) by
    (pose proof (window_pays [y] (s1 ++ h) ltac:(constructor; [intros []|constructor]) (y :: s2) B2
       ltac:(intros z [<-|[]]; left; auto)) as W; cbn [sum app] in W; lra).
  all: assert (X0 : 0 <= x (s1 ++ h) y) by (apply (x_0 l n k kernel kernel_ok); auto).
  all: assert (Heavy : sum (x (s1 ++ h)) D <= eps -> 1 - eps <= q (length (rest D)) * x (s1 ++ h) y) by
    (intros Hs; pose proof (sum_rest (x (s1 ++ h)) D (proj1 HD) (proj1 (proj2 HD))) as Sr; 
     pose proof (x_total l n k kernel kernel_ok (s1 ++ h) all A2 all_NoDup ltac:(rewrite all_length; lia)); lra).
  all: assert (Hs12 : incl (s2 ++ s1) D) by (intros z Hz; apply in_app_or in Hz; destruct Hz; auto).
  - exists (s2 ++ s1), y. rewrite <- app_assoc. split; auto. split; auto. split; [auto|].
    split; [intros z [<-|Hz]; [auto|apply (proj1 (proj2 HD)), Hs12; auto]|].
    destruct A3 as [A3|A3]; [right|left; lra]. specialize (Heavy A3). rewrite Hu in Heavy. change (q 1) with 1 in Heavy.
    change (harmonic 1) with (0 + / q 1). change (/ q 1) with 1. lra.
  - assert (HD' : rich (y :: D)).
    { destruct HD as [R1 [R2 R3]]. split; [constructor; auto|]. split; [intros z [<-|Hz]; auto|].
      intros j Hj. destruct (R3 j Hj) as [d [D1 D2]]. exists d. split; [right; auto|auto]. }
    assert (Hu' : length (rest (y :: D)) = S u).
    { pose proof (rest_length D (proj1 HD) (proj1 (proj2 HD))). pose proof (rest_length (y :: D) (proj1 HD') (proj1 (proj2 HD'))) as E.
      simpl in E. lia. }
    destruct (IH (y :: D) (y :: s2 ++ s1 ++ h) HD' Hu' B2) as [s3 [z [C1 [C2 [C3 [C5 C4]]]]]].
    exists (s3 ++ y :: s2 ++ s1), z. rewrite <- !app_assoc. simpl app. rewrite <- !app_assoc. split; [exact C1|].
    split; [intros H; apply C2; right; auto|]. split.
    { rewrite in_app_iff. simpl In. intros [H|[H|H]]; [auto|apply C2; left; auto|apply C2; right; auto]. }
    split.
    { intros v [<-|Hv]; [apply C5; left; auto|]. apply in_app_or in Hv. destruct Hv as [Hv|[<-|Hv]]; auto.
      - apply C5. right; auto.
      - apply (proj1 (proj2 HD)), Hs12. auto. }
    assert (Hp : 0 <= (1 - eps) * harmonic (S u)).
    { apply Qmult_le_0_compat; [lra|]. apply harmonic_0. }
    pose proof (grows (z :: s3) (y :: s2 ++ s1 ++ h) C1) as G2. simpl app in G2.
    destruct C4 as [C4|C4]; [left; lra|]. destruct A3 as [A3|A3]; [right|left; lra].
    specialize (Heavy A3). rewrite Hu in Heavy. change (harmonic (S (S u))) with (harmonic (S u) + / q (S (S u))).
    assert (Qu : 0 < q (S (S u))) by (apply q_pos; lia).
    assert (E : (1 - eps) * / q (S (S u)) <= x (s1 ++ h) y).
    { setoid_replace (x (s1 ++ h) y) with (q (S (S u)) * x (s1 ++ h) y * / q (S (S u))) by (field; lra).
      apply Qmult_le_compat_r; [auto|apply q_inv]. }
    lra.
Qed.

End Phase.

(* the schedule lacks the page that ends the phase *)
Definition but (y : nat) : cache := remove Nat.eq_dec y all.
Lemma but_cache y : In y all -> is_cache k (but y).
Proof.
  intros H. split; [apply NoDup_remove_eq, all_NoDup|]. pose proof (length_remove y all all_NoDup H) as L.
  rewrite all_length in L. unfold but. lia.
Qed.
Lemma free s y : In y all -> incl s all -> ~ In y s -> runs k (but y) s 0 (but y).
Proof.
  intros Hy. induction s as [|p s IH]; intros Hi Hn; [constructor|]. cbn [In] in Hn.
  assert (G : runs k (but y) (p :: s) (length (minus (but y) (but y)) + 0)%nat (but y)).
  { constructor.
    - apply but_cache; auto.
    - apply in_in_remove; [tauto|apply Hi; left; auto].
    - apply IH; [|tauto]. intros z Hz. apply Hi. right; auto. }
  rewrite minus_self in G. exact G.
Qed.

(* a phase that costs at least G: after a request to p, all that follows is free for the schedule but the last request, to z *)
Definition phase_costs (G : Q) : Prop := forall p h0, In p all -> backwards l n (p :: h0) -> exists s z,
  backwards l n (z :: s ++ p :: h0) /\ z <> p /\ ~ In z s /\ incl (z :: s) all /\
  expected (p :: h0) + G <= expected (z :: s ++ p :: h0).
Lemma other p : exists y, In y all /\ y <> p.
Proof.
  destruct all as [|a [|b r]] eqn:E; cbn [length] in all_length; try lia. inversion all_NoDup as [|u v D1 D2]; subst.
  destruct (Nat.eq_dec a p) as [->|N]; [exists b|exists a; split; [left; auto|auto]].
  split; [right; left; auto|]. intros ->. apply D1. left; auto.
Qed.
Lemma phases G N : phase_costs G -> forall p h0, In p all -> backwards l n (p :: h0) -> exists s m d y,
  backwards l n (s ++ p :: h0) /\ In y all /\ y <> p /\ runs k (but y) (rev s) m d /\ (m <= N)%nat /\
  expected (p :: h0) + q N * G <= expected (s ++ p :: h0).
Proof.
  intros Phase. induction N as [|N IH]; intros p h0 Hp Hb.
  - destruct (other p) as [y [Y1 Y2]]. exists [], 0%nat, (but y), y. split; [exact Hb|]. split; [exact Y1|]. split; [exact Y2|].
    split; [constructor|]. split; [auto|]. change (q 0) with 0. cbn [app]. lra.
  - destruct (Phase p h0 Hp Hb) as [s1 [z [A1 [A2 [A3 [Ia A4]]]]]].
    assert (Za : In z all) by (apply Ia; left; auto).
    destruct (IH z (s1 ++ p :: h0) Za A1) as [s2 [m [d [y [B1 [B2 [B3 [B4 [B5 B6]]]]]]]]].
    assert (F1 : runs k (but z) (rev s1) 0 (but z)).
    { apply free; auto; [|rewrite <- in_rev; auto]. intros u Hu. apply Ia. right. apply in_rev; auto. }
    assert (F2 : runs k (but z) (z :: rev s2) (length (minus (but y) (but z)) + m)%nat d).
    { constructor; [apply but_cache; auto|apply in_in_remove; auto|exact B4]. }
    assert (F3 : (length (minus (but y) (but z)) <= 1)%nat).
    { change 1%nat with (length [z]). apply NoDup_incl_length; [apply minus_NoDup, NoDup_remove_eq, all_NoDup|].
      intros u Hu. apply minus_In in Hu. destruct Hu as [U1 U2]. apply in_remove in U1.
      destruct (Nat.eq_dec z u); [left; auto|]. exfalso. apply U2, in_in_remove; [auto|tauto]. }
    exists (s2 ++ z :: s1), (0 + (length (minus (but y) (but z)) + m))%nat, d, z. rewrite <- app_assoc. split; [exact B1|].
    split; auto. split; auto. split.
    { rewrite rev_app_distr. cbn [rev]. rewrite <- app_assoc. eapply runs_app; eauto. }
    split; [lia|]. rewrite q_S. simpl app. lra.
Qed.

(* a policy that pays almost R in each phase has no ratio below R *)
Lemma at_least R : 0 < R -> (forall eps, 0 < eps -> eps < 1 -> phase_costs ((1 - eps) * R)) ->
  forall r, 0 <= r -> expected_at_most l n k kernel r -> R <= r.
Proof.
  intros R0 Phase r Hr0 [add Hall]. destruct (Qlt_le_dec r R) as [C|]; auto. exfalso.
  set (eps := (R - r) / (2 * R)).
  assert (E1 : eps * (2 * R) == R - r) by (unfold eps; field; lra).
  assert (P1 : 0 < eps) by (unfold eps; apply Qlt_shift_div_l; lra).
  assert (P2 : eps < 1) by (unfold eps; apply Qlt_shift_div_r; lra).
  destruct (all_layers 0 ltac:(lia)) as [p [A0 Lp]].
  assert (B0 : backwards l n [p]) by (split; [apply all_small; auto|split; [|exact I]]; simpl length; rewrite Nat.mod_0_l by lia; exact Lp).
  destruct (after k [p] ltac:(lia)) as [c Hc].
  destruct (archimedes (r * q c + add + 1) ((R - r) / 2)) as [N HN]; [apply Qlt_shift_div_l; lra|].
  destruct (phases _ N (Phase eps P1 P2) p [] A0 B0) as [s [m [d [y [S1 [_ [_ [S2 [S3 S4]]]]]]]]].
  destruct (Hc _ _ _ (runs_schedule _ _ _ _ _ S2)) as [m' [M1 M2]].
  assert (Hb : layered l n 0 (rev (s ++ [p]))) by (apply layered_backwards; exact S1).
  specialize (Hall (s ++ [p]) m' Hb). rewrite rev_app_distr in Hall. specialize (Hall M1).
  pose proof (grows [p] [] B0) as G. cbn [app Chance.expected] in G.
  assert (Hm : r * q m' <= r * (q N + q c)).
  { rewrite !(Qmult_comm r). apply Qmult_le_compat_r; [|auto]. rewrite <- q_plus. apply q_le. lia. }
  assert (E2 : q N * ((1 - eps) * R) == q N * R - q N * (eps * (2 * R)) * (1 # 2)) by (field).
  rewrite E1 in E2. assert (E3 : q N * ((R - r) / 2) == q N * (R - r) * (1 # 2)) by field.
  cbn [Chance.expected] in S4. lra.
Qed.

(* every phase costs almost H_(k-l+1): the page of each layer that is asked for first is not counted *)
Lemma phase_harmonic eps : (l <= k)%nat -> 0 < eps -> eps < 1 -> phase_costs ((1 - eps) * harmonic (k - l + 1)).
Proof.
  intros Hlk e0 e1 p h0 Hp Hb. pose proof (lay_small p Hp) as Lp.
  assert (Rep : forall m, (m <= l)%nat -> exists D, length D = m /\ NoDup D /\ incl D all /\ (forall d, In d D -> (lay d < m)%nat) /\
    (forall j, (j < m)%nat -> exists d, In d D /\ lay d = j) /\ ((lay p < m)%nat -> In p D)).
  { induction m as [|m IH]; intros Hm.
    - exists []. split; [auto|]. split; [constructor|]. split; [intros y []|]. split; [intros d []|]. split; [intros j Hj; lia|lia].
    - destruct (IH ltac:(lia)) as [D [D1 [D2 [D3 [D4 [D5 D6]]]]]].
      assert (Hd : exists d, In d all /\ lay d = m /\ (lay p = m -> d = p)).
      { destruct (Nat.eq_dec (lay p) m) as [E|N]; [exists p; auto|].
        destruct (all_layers m ltac:(lia)) as [d [E1 E2]]. exists d. split; auto. split; [auto|]. intros E. congruence. }
      destruct Hd as [d [Da [Dl Dp]]]. exists (d :: D). split; [simpl; lia|].
      split; [constructor; [intros H; apply D4 in H; lia|auto]|]. split; [intros y [<-|Hy]; auto|].
      split; [intros y [<-|Hy]; [lia|apply D4 in Hy; lia]|]. split.
      + intros j Hj. destruct (Nat.eq_dec j m) as [->|N]; [exists d; split; [left; auto|auto]|].
        destruct (D5 j ltac:(lia)) as [y [Y1 Y2]]. exists y. split; [right; auto|auto].
      + intros H. destruct (Nat.eq_dec (lay p) m) as [E|N]; [left; auto|right; apply D6; lia]. }
  destruct (Rep l (le_n l)) as [D [D1 [D2 [D3 [_ [D5 D6]]]]]].
  assert (HD : rich D) by (split; [auto|split; auto]).
  pose proof (rest_length D D2 D3) as L.
  destruct (later eps e0 e1 (harmonic (k - l + 1)) (k - l) D (p :: h0) HD ltac:(lia) Hb) as [s [z [Z1 [Z2 [Z3 [Z5 Z4]]]]]].
  exists s, z. split; [exact Z1|]. split; [intros ->; apply Z2, D6; lia|]. split; [exact Z3|]. split; [exact Z5|].
  assert (0 <= eps * harmonic (k - l + 1)) by (apply Qmult_le_0_compat; [lra|apply harmonic_0]).
  replace (k - l + 1)%nat with (S (k - l)) in * by lia. destruct Z4 as [Z4|Z4]; lra.
Qed.
End Oblivious.
