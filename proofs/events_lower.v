(* Events of m pages, forced: every online algorithm has a ratio of at least k - l m + 1, for all l, n, k, m with
   l m <= k and k + 1 <= l n.  All pages of an event are in the cache when it has been served.  The algorithm is any
   function from histories to caches; it may prefetch and may start with any cache. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Events.
Import ListNotations.

Section Forced.
Variables l n k m : nat.

(* any schedule of events, with its cost and its last cache *)
Inductive event_runs : cache -> list (list nat) -> nat -> cache -> Prop :=
| event_nil c : event_runs c [] 0 c
| event_step c c' d e s x : is_cache k c' -> incl e c' -> event_runs c' s x d ->
    event_runs c (e :: s) (length (minus c' c) + x) d.
Lemma event_runs_app c s1 x1 d : event_runs c s1 x1 d -> forall s2 x2 e, event_runs d s2 x2 e ->
  event_runs c (s1 ++ s2) (x1 + x2) e.
Proof. induction 1; intros; simpl; auto. rewrite <- Nat.add_assoc. econstructor; eauto. Qed.

Variable alg : list (list nat) -> cache.
Fixpoint event_paid (h : list (list nat)) : nat :=
  match h with [] => 0 | e :: h' => length (minus (alg (e :: h')) (alg h')) + event_paid h' end.
Definition online_events : Prop := (forall h, length (alg h) <= k) /\
  (forall e h, NoDup e -> length e = m -> incl e (alg (e :: h))).

Hypothesis l_pos : 1 <= l.
Hypothesis m_pos : 1 <= m.
Hypothesis m_le_n : m <= n.
Hypothesis fit : l * m <= k.
Hypothesis enough : k + 1 <= l * n.
Hypothesis alg_ok : online_events.
Notation pages := (Events.pages l n k m).
Notation but := (Events.but l n k m).
Notation absent := (Events.absent l n k m alg).
Notation last_event := (Events.last_event l n m).
Notation next := (Events.next l n k m alg).
Notation hist := (Events.hist l n k m alg).
Notation good := (Events.good l n k m).
Let next_proper := Events.next_proper l n k m l_pos m_pos m_le_n fit enough alg.
Let hist_good := Events.hist_good l n k m l_pos m_pos m_le_n fit enough alg.
Let hist_layered := Events.hist_layered l n k m l_pos m_pos m_le_n fit enough alg.
Let but_cache := Events.but_cache l n k m l_pos m_pos m_le_n fit enough.
Let but_has := Events.but_has l n k m.
Let spare := Events.spare l n k m l_pos m_pos m_le_n fit enough.
Let absent_asked := Events.absent_asked l n k m alg.
Let asked_new := Events.asked_new l n k m l_pos m_pos m_le_n fit enough alg.
Let some_absent := Events.some_absent l n k m l_pos m_pos m_le_n fit enough alg (proj1 alg_ok).

(* an event with an absent page is paid for *)
Lemma absent_pays h : good h -> absent h <> [] -> 1 <= length (minus (alg (next h :: h)) (alg h)).
Proof.
  intros G H. destruct (next_proper h G) as [N1 [N2 _]]. destruct (absent_asked h H) as [x [X1 X2]].
  pose proof (proj2 alg_ok _ h N1 N2 x X1) as X3.
  assert (In x (minus (alg (next h :: h)) (alg h))) by (apply minus_In; auto).
  destruct (minus _ _); [inversion H0|simpl; lia].
Qed.

(* phases: stretches of events with at most k different pages *)
Fixpoint phase (h : list (list nat)) : list nat * nat * nat :=
  match h with
  | [] => ([], 0, 0)
  | e :: h' => let '(D, f, c) := phase h' in
      if length (minus e D) + length D <=? k then (minus e D ++ D, f, S c) else (e, S f, 1)
  end.
Notation K := (k - l * m + 1).
Definition inv (h : list (list nat)) : Prop := let '(D, f, c) := phase h in
  NoDup D /\ incl D pages /\ length D <= k /\ (forall d, d < c -> incl (nth d h []) D) /\ c <= length h /\ length D <= c * m /\
  length D + K * f <= event_paid h + Nat.min c l * m.

Lemma inv_step h : good h -> inv h -> inv (next h :: h).
Proof.
  intros G. unfold inv. cbn [phase event_paid length]. destruct (phase h) as [[D f] c].
  intros [I1 [I2 [I3 [I4 [I5 [I6 I7]]]]]].
  destruct (next_proper h G) as [N1 [N2 [N3 N4]]]. pose proof (absent_pays h G) as Pay.
  set (e := next h) in *. set (N := minus e D).
  assert (NN : NoDup N) by (now apply minus_NoDup).
  assert (Nm : length N <= m) by (rewrite <- N2; apply NoDup_incl_length; auto; intros x Hx; apply minus_In in Hx; tauto).
  assert (F2 : l <= c -> length N = 0 \/ (length N <= 1 /\ 1 <= length (minus (alg (e :: h)) (alg h)))).
  { intros Hc. assert (Hlast : incl (last_event h) D).
    { unfold Events.last_event. rewrite (proj2 (Nat.ltb_ge _ _)) by lia. apply I4. lia. }
    destruct (asked_new h D Hlast NN) as [A|[A1 A2]]; auto. }
  destruct (Nat.leb_spec (length N + length D) k) as [L|L].
  - assert (Hin : forall q, In q (N ++ D) <-> In q e \/ In q D).
    { intros q. rewrite in_app_iff. unfold N. rewrite minus_In. destruct (in_dec Nat.eq_dec q D); tauto. }
    split; [apply NoDup_app_; auto; intros q Hq; apply minus_In in Hq; tauto|].
    split; [intros q Hq; apply Hin in Hq; destruct Hq; auto|]. rewrite app_length. split; [lia|].
    split.
    { intros [|d] Hd q Hq; apply Hin; [now left|right]. apply (I4 d); [lia|exact Hq]. }
    split; [lia|]. split; [simpl; lia|].
    destruct (le_lt_dec l c) as [Hc|Hc].
    + rewrite Nat.min_r by lia. rewrite Nat.min_r in I7 by lia. destruct (F2 Hc) as [F|[F F']]; lia.
    + rewrite Nat.min_l by lia. rewrite Nat.min_l in I7 by lia. simpl. lia.
  - assert (Hc : l <= c).
    { destruct (le_lt_dec l c); auto. exfalso. assert ((c + 1) * m <= l * m) by (apply Nat.mul_le_mono_r; lia).
      rewrite Nat.mul_add_distr_r in H. lia. }
    destruct (F2 Hc) as [F|[F F']]; [lia|].
    assert (LD : length D = k) by lia. rewrite Nat.min_r in I7 by lia.
    split; [exact N1|]. split; [exact N3|]. split; [rewrite N2; nia|].
    split; [intros [|d] Hd q Hq; [exact Hq|lia]|]. split; [lia|]. split; [lia|].
    rewrite Nat.min_l by lia. rewrite N2, Nat.mul_succ_r. lia.
Qed.
Lemma hist_inv T : inv (hist T).
Proof.
  induction T as [|T IH]; [|apply inv_step; auto; apply hist_good].
  unfold inv. simpl. split; [constructor|]. split; [intros q []|]. split; [lia|]. split; [intros d Hd; lia|]. lia.
Qed.

(* the optimum lacks a page that the phase does not ask for *)
Lemma optimum T : let '(D, f, c) := phase (hist (S T)) in forall y, In y pages -> ~ In y D ->
  exists x, event_runs [] (rev (hist (S T))) x (but y) /\ x <= k + f.
Proof.
  induction T as [|T IH].
  - simpl. destruct (next_proper [] (hist_good 0)) as [N1 [N2 [N3 _]]].
    assert (E : minus (next []) [] = next []).
    { clear. unfold minus. generalize (next []) as e. induction e as [|a r IHr]; cbn [filter]; auto.
      change (negb (mem a [])) with true. cbn iota. now rewrite IHr. }
    rewrite E. rewrite Nat.add_0_r. rewrite (proj2 (Nat.leb_le _ _)) by nia. rewrite app_nil_r. intros y Y1 Y2.
    exists (length (minus (but y) []) + 0). split.
    + constructor; [now apply but_cache|now apply but_has|constructor].
    + rewrite !Nat.add_0_r. etransitivity; [|apply (but_cache y Y1)].
      apply NoDup_incl_length; [apply minus_NoDup, but_cache; auto|]. intros x Hx. apply minus_In in Hx. tauto.
  - pose proof (hist_inv (S T)) as I. unfold inv in I. pose proof (next_proper _ (hist_good (S T))) as [N1 [N2 [N3 _]]].
    change (hist (S (S T))) with (next (hist (S T)) :: hist (S T)). cbn [phase]. destruct (phase (hist (S T))) as [[D f] c].
    destruct I as [I1 [I2 [I3 _]]]. set (e := next (hist (S T))) in *. simpl rev.
    destruct (Nat.leb_spec (length (minus e D) + length D) k) as [L|L]; intros y Y1 Y2.
    + rewrite in_app_iff, minus_In in Y2.
      assert (Ye : ~ In y e) by (intros H; destruct (in_dec Nat.eq_dec y D); tauto).
      destruct (IH y Y1 ltac:(tauto)) as [x [X1 X2]]. exists (x + (length (minus (but y) (but y)) + 0)). split.
      * eapply event_runs_app; eauto. constructor; [now apply but_cache|now apply but_has|constructor].
      * rewrite minus_self. simpl. lia.
    + destruct (spare D I1 I3) as [z [Z1 Z2]]. destruct (IH z Z1 Z2) as [x [X1 X2]].
      exists (x + (length (minus (but y) (but z)) + 0)). split.
      * eapply event_runs_app; eauto. constructor; [now apply but_cache|now apply but_has|constructor].
      * assert (length (minus (but y) (but z)) <= 1); [|lia]. change 1 with (length [z]).
        apply NoDup_incl_length; [apply minus_NoDup, but_cache; auto|]. intros q Hq. apply minus_In in Hq. destruct Hq as [Q1 Q2].
        apply in_remove in Q1. left. destruct (Nat.eq_dec z q); auto. exfalso. apply Q2. apply in_in_remove; [auto|tauto].
Qed.

(* and the algorithm pays at least once in l events *)
Lemma paid_mono T d : event_paid (hist T) <= event_paid (hist (d + T)).
Proof. induction d; simpl; [auto|]. lia. Qed.
Lemma pays_in_turn T : S (event_paid (hist T)) <= event_paid (hist (l + T)).
Proof.
  pose proof (paid_mono T l) as M0. destruct (Nat.eq_dec (event_paid (hist (l + T))) (event_paid (hist T))) as [E|]; [|lia]. exfalso.
  destruct (some_absent T) as [y [d [Y1 [Y2 [Hd1 Hd2]]]]].
  assert (Same : forall j, j < l -> length (minus (alg (hist (S j + T))) (alg (hist (j + T)))) = 0).
  { intros j Hj. pose proof (paid_mono T j) as M1.
    assert (M2 : event_paid (hist (S j + T)) <= event_paid (hist (l + T))).
    { replace (l + T) with ((l - S j) + (S j + T)) by lia. apply paid_mono. }
    simpl in *. lia. }
  assert (Stay : forall j, j <= d -> ~ In y (alg (hist (j + T)))).
  { induction j as [|j IH]; intros Hj; auto. specialize (IH ltac:(lia)). intros H. specialize (Same j ltac:(lia)).
    assert (Hm : In y (minus (alg (hist (S j + T))) (alg (hist (j + T))))) by (apply minus_In; auto).
    destruct (minus (alg (hist (S j + T))) (alg (hist (j + T)))); [inversion Hm|discriminate]. }
  pose proof (Hd2 (Stay d (le_n d))) as Hab.
  pose proof (absent_pays _ (hist_good (d + T)) Hab) as Pp. specialize (Same d Hd1). simpl in Same. lia.
Qed.
Lemma pays_often X : X <= event_paid (hist (X * l)).
Proof. induction X as [|X IH]; [lia|]. simpl. pose proof (pays_in_turn (X * l)). lia. Qed.

Lemma wins P Q add : (forall h x d, layered_events l n m 0 (rev h) -> event_runs [] (rev h) x d -> Q * event_paid h <= P * x + add) ->
  Q * K <= P.
Proof.
  intros Hall. destruct (le_lt_dec (Q * K) P) as [|Hlt]; auto. exfalso.
  assert (HQ : 1 <= Q) by (destruct Q; simpl in *; lia).
  set (B := P * k + add + Q * (l * m)).
  assert (Hb : forall T, exists x, Q * event_paid (hist (S T)) <= P * x + add /\ x <= k + B).
  { intros T. pose proof (hist_inv (S T)) as I. pose proof (optimum T) as O. unfold inv in I.
    destruct (phase (hist (S T))) as [[D f] c]. destruct I as [I1 [_ [I3 [_ [_ [_ I7]]]]]].
    destruct (spare D I1 I3) as [y [Y1 Y2]]. destruct (O y Y1 Y2) as [x [X1 X2]].
    pose proof (Hall _ _ _ (hist_layered (S T)) X1) as H. exists x. split; auto. assert (f <= B); [|lia].
    assert (Nat.min c l * m <= l * m) by (apply Nat.mul_le_mono_r; lia).
    assert (J : K * f <= event_paid (hist (S T)) + l * m) by lia.
    assert (J2 : Q * (K * f) <= Q * event_paid (hist (S T)) + Q * (l * m))
      by (rewrite <- Nat.mul_add_distr_l; apply Nat.mul_le_mono_l; exact J).
    assert (J3 : P * x <= P * k + P * f) by (rewrite <- Nat.mul_add_distr_l; apply Nat.mul_le_mono_l; exact X2).
    assert (J4 : (P + 1) * f <= Q * K * f) by (apply Nat.mul_le_mono_r; lia).
    rewrite <- Nat.mul_assoc, Nat.mul_add_distr_r in J4. unfold B. lia. }
  set (X := P * (k + B) + add + 1).
  assert (HX : exists T, X * l = S T).
  { exists (X * l - 1). assert (1 * 1 <= X * l) by (apply Nat.mul_le_mono; unfold X; lia). lia. }
  destruct HX as [T HT]. destruct (Hb T) as [x [H1 H2]]. pose proof (pays_often X) as H3. rewrite HT in H3.
  assert (P * x <= P * (k + B)) by (apply Nat.mul_le_mono_l; exact H2).
  assert (1 * event_paid (hist (S T)) <= Q * event_paid (hist (S T))) by (apply Nat.mul_le_mono_r; exact HQ).
  unfold X in H3. lia.
Qed.
End Forced.

Theorem events_lower : forall l n k m, 1 <= l -> 1 <= m -> m <= n -> l * m <= k -> k + 1 <= l * n ->
  forall alg, online_events k m alg -> forall P Q add,
  (forall h x d, layered_events l n m 0 (rev h) -> event_runs k [] (rev h) x d -> Q * event_paid alg h <= P * x + add) ->
  Q * (k - l * m + 1) <= P.
Proof. intros l n k m H1 H2 H3 H4 H5 alg H6 P Q add. now apply (wins l n k m alg H1 H2 H3 H4 H5 H6). Qed.
