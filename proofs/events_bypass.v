(* Events of m pages with bypass: every online algorithm has a ratio of at least k - l m + 2, for all l, n, k, m with
   l m <= k and k + 1 <= l n.  Absent members of an event are paid for; what stays in the cache is free to choose among
   what was there and the event, and costs more beyond that.  The algorithm is any function from histories to caches. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Events.
Import ListNotations.

Section Bypass.
Variables l n k m : nat.

Definition bypass_cost (c : cache) (e : list nat) (c' : cache) : nat := length (minus e c) + length (minus c' (e ++ c)).
Inductive bypass_runs : cache -> list (list nat) -> nat -> cache -> Prop :=
| bypass_nil c : bypass_runs c [] 0 c
| bypass_step c c' d e s x : is_cache k c' -> bypass_runs c' s x d -> bypass_runs c (e :: s) (bypass_cost c e c' + x) d.
Lemma bypass_runs_app c s1 x1 d : bypass_runs c s1 x1 d -> forall s2 x2 e, bypass_runs d s2 x2 e ->
  bypass_runs c (s1 ++ s2) (x1 + x2) e.
Proof. induction 1; intros; simpl; auto. rewrite <- Nat.add_assoc. econstructor; eauto. Qed.

Variable alg : list (list nat) -> cache.
Fixpoint bypass_paid (h : list (list nat)) : nat :=
  match h with [] => 0 | e :: h' => bypass_cost (alg h') e (alg (e :: h')) + bypass_paid h' end.

Hypothesis l_pos : 1 <= l.
Hypothesis m_pos : 1 <= m.
Hypothesis m_le_n : m <= n.
Hypothesis fit : l * m <= k.
Hypothesis enough : k + 1 <= l * n.
Hypothesis alg_fits : forall h, length (alg h) <= k.
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
Let some_absent := Events.some_absent l n k m l_pos m_pos m_le_n fit enough alg alg_fits.

Lemma absent_pays h : absent h <> [] -> 1 <= bypass_cost (alg h) (next h) (alg (next h :: h)).
Proof.
  intros H. destruct (absent_asked h H) as [x [X1 X2]]. unfold bypass_cost.
  assert (Hx : In x (minus (next h) (alg h))) by (apply minus_In; auto).
  destruct (minus (next h) (alg h)); [inversion Hx|simpl; lia].
Qed.

(* the algorithm pays at least once in l events *)
Lemma paid_mono T d : bypass_paid (hist T) <= bypass_paid (hist (d + T)).
Proof. induction d; simpl; [auto|]. lia. Qed.
Lemma pays_in_turn T : S (bypass_paid (hist T)) <= bypass_paid (hist (l + T)).
Proof.
  pose proof (paid_mono T l) as M0.
  destruct (Nat.eq_dec (bypass_paid (hist (l + T))) (bypass_paid (hist T))) as [E|]; [|lia]. exfalso.
  destruct (some_absent T) as [y [d [Y1 [Y2 [Hd1 Hd2]]]]].
  assert (Free : forall j, j < l -> bypass_cost (alg (hist (j + T))) (next (hist (j + T))) (alg (hist (S j + T))) = 0).
  { intros j Hj. pose proof (paid_mono T j) as M1.
    assert (M2 : bypass_paid (hist (S j + T)) <= bypass_paid (hist (l + T))).
    { replace (l + T) with ((l - S j) + (S j + T)) by lia. apply paid_mono. }
    simpl in *. lia. }
  assert (Stay : forall j, j <= d -> ~ In y (alg (hist (j + T)))).
  { induction j as [|j IH]; intros Hj; auto. specialize (IH ltac:(lia)). intros H. specialize (Free j ltac:(lia)).
    unfold bypass_cost in Free.
    assert (Hm : In y (minus (next (hist (j + T))) (alg (hist (j + T)))) \/
                 In y (minus (alg (hist (S j + T))) (next (hist (j + T)) ++ alg (hist (j + T))))).
    { destruct (in_dec Nat.eq_dec y (next (hist (j + T)))) as [Hy|Hy]; [left; apply minus_In; auto|right].
      apply minus_In. split; auto. rewrite in_app_iff. tauto. }
    destruct (minus (next (hist (j + T))) (alg (hist (j + T)))); [|discriminate].
    destruct Hm as [Hm|Hm]; [inversion Hm|].
    destruct (minus (alg (hist (S j + T))) (next (hist (j + T)) ++ alg (hist (j + T)))); [inversion Hm|discriminate]. }
  pose proof (absent_pays _ (Hd2 (Stay d (le_n d)))) as Pp. specialize (Free d Hd1). simpl in Free. lia.
Qed.
Lemma pays_often X : X <= bypass_paid (hist (X * l)).
Proof. induction X as [|X IH]; [lia|]. simpl. pose proof (pays_in_turn (X * l)). lia. Qed.

(* segments: the shortest stretches in which all k + 1 pages are asked for *)
Fixpoint segment (h : list (list nat)) : list nat * nat * nat :=
  match h with
  | [] => ([], 0, 0)
  | e :: h' => let '(D, f, c) := segment h' in
      if length (minus e D ++ D) =? S k then ([], S f, 0) else (minus e D ++ D, f, S c)
  end.
Notation K := (k - l * m + 2).
Definition inv (T : nat) : Prop := let '(D, f, c) := segment (hist T) in
  NoDup D /\ incl D pages /\ length D <= k /\ (forall d, d < c -> incl (nth d (hist T) []) D) /\ c <= T /\ length D <= c * m /\
  K * f <= bypass_paid (hist (T - c)) /\
  (l <= c -> length D + 1 + bypass_paid (hist (T - c)) <= bypass_paid (hist T) + l * m).

Lemma joined e D : NoDup e -> NoDup D -> incl e pages -> incl D pages ->
  NoDup (minus e D ++ D) /\ incl (minus e D ++ D) pages /\ length (minus e D ++ D) <= S k /\
  forall q, In q (minus e D ++ D) <-> In q e \/ In q D.
Proof.
  intros H1 H2 H3 H4.
  assert (Hin : forall q, In q (minus e D ++ D) <-> In q e \/ In q D).
  { intros q. rewrite in_app_iff, minus_In. destruct (in_dec Nat.eq_dec q D); tauto. }
  assert (Hn : NoDup (minus e D ++ D)).
  { apply NoDup_app_; auto; [now apply minus_NoDup|]. intros q Hq. apply minus_In in Hq. tauto. }
  assert (Hi : incl (minus e D ++ D) pages) by (intros q Hq; apply Hin in Hq; destruct Hq; auto).
  repeat split; auto; try apply Hin.
  rewrite <- (Events.pages_length l n k m l_pos m_pos m_le_n fit enough). apply NoDup_incl_length; auto.
Qed.

Lemma inv_step T : inv T -> inv (S T).
Proof.
  unfold inv. change (hist (S T)) with (next (hist T) :: hist T). cbn [segment]. destruct (segment (hist T)) as [[D f] c].
  intros [I1 [I2 [I3 [I4 [I5 [I6 [I7 I8]]]]]]].
  pose proof (next_proper _ (hist_good T)) as [N1 [N2 [N3 _]]]. pose proof (absent_pays (hist T)) as Pay.
  assert (F : l <= c -> length (minus (next (hist T)) D) = 0 \/
      (length (minus (next (hist T)) D) <= 1 /\ 1 <= bypass_cost (alg (hist T)) (next (hist T)) (alg (next (hist T) :: hist T)))).
  { intros Hc. assert (Hlast : incl (last_event (hist T)) D).
    { unfold Events.last_event. rewrite Events.hist_length, (proj2 (Nat.ltb_ge _ _)) by lia. apply I4. lia. }
    destruct (asked_new (hist T) D Hlast (minus_NoDup _ _ N1)) as [A|[A1 A2]]; auto. }
  destruct (joined _ D N1 I1 N3 I2) as [J1 [J2 [J3 J4]]].
  assert (LN : length (minus (next (hist T)) D) <= m).
  { assert (length (minus (next (hist T)) D) <= length (next (hist T))); [|lia].
    apply NoDup_incl_length; [now apply minus_NoDup|]. intros x Hx. apply minus_In in Hx. tauto. }
  assert (Paid : bypass_paid (next (hist T) :: hist T) =
    bypass_cost (alg (hist T)) (next (hist T)) (alg (next (hist T) :: hist T)) + bypass_paid (hist T)) by reflexivity.
  set (e := next (hist T)) in *.
  destruct (Nat.eqb_spec (length (minus e D ++ D)) (S k)) as [L|L]; rewrite app_length in *.
  - assert (Hc : l <= c).
    { destruct (le_lt_dec l c); auto. exfalso. assert ((c + 1) * m <= l * m) by (apply Nat.mul_le_mono_r; lia).
      rewrite Nat.mul_add_distr_r in H. lia. }
    specialize (I8 Hc). rewrite Nat.sub_0_r. change (hist (S T)) with (e :: hist T).
    split; [constructor|]. split; [intros q []|]. split; [simpl; lia|]. split; [intros d Hd; lia|]. split; [lia|]. split; [simpl; lia|].
    split; [|lia]. rewrite Paid, Nat.mul_succ_r. destruct (F Hc) as [F0|[F0 F1]]; lia.
  - replace (S T - S c) with (T - c) by lia. split; [exact J1|]. split; [exact J2|]. split; [lia|].
    split.
    { intros [|d] Hd q Hq; apply J4; [now left|right]. apply (I4 d); [lia|exact Hq]. }
    split; [lia|]. split; [simpl; lia|]. split; [exact I7|]. intros Hc. rewrite Paid.
    destruct (le_lt_dec l c) as [Hl|Hl].
    + specialize (I8 Hl). destruct (F Hl) as [F0|[F0 F1]]; lia.
    + assert (Ec : S c = l) by lia. pose proof (pays_in_turn (T - c)) as PT. replace (l + (T - c)) with (S T) in PT by lia.
      change (hist (S T)) with (e :: hist T) in PT. rewrite Paid in PT.
      assert (length (minus e D) + length D <= l * m) by (rewrite <- Ec; simpl; lia). lia.
Qed.
Lemma inv_all T : inv T.
Proof.
  induction T as [|T IH]; [|now apply inv_step]. unfold inv. simpl.
  split; [constructor|]. split; [intros q []|]. split; [lia|]. split; [intros d Hd; lia|]. lia.
Qed.

(* the optimum lacks a page that the segment has not asked for *)
Lemma optimum T : let '(D, f, c) := segment (hist (S T)) in forall y, In y pages -> ~ In y D ->
  exists x, bypass_runs [] (rev (hist (S T))) x (but y) /\ x <= 2 * k + f.
Proof.
  induction T as [|T IH].
  - destruct (next_proper [] (hist_good 0)) as [N1 [N2 [N3 _]]].
    assert (G : forall y f, In y pages -> exists x, bypass_runs [] (rev (hist 1)) x (but y) /\ x <= 2 * k + f).
    { intros y f Y1. exists (bypass_cost [] (next []) (but y) + 0). split; [constructor; [now apply but_cache|constructor]|].
      unfold bypass_cost. destruct (but_cache y Y1) as [B1 B2].
      assert (length (minus (next []) []) <= length (next []))
        by (apply NoDup_incl_length; [now apply minus_NoDup|intros x Hx; apply minus_In in Hx; tauto]).
      assert (length (minus (but y) (next [] ++ [])) <= length (but y))
        by (apply NoDup_incl_length; [now apply minus_NoDup|intros x Hx; apply minus_In in Hx; tauto]).
      assert (m <= l * m) by nia. lia. }
    destruct (segment (hist 1)) as [[D f] c]. intros y Y1 _. now apply G.
  - pose proof (inv_all (S T)) as I. unfold inv in I. pose proof (next_proper _ (hist_good (S T))) as [N1 [N2 [N3 _]]].
    change (hist (S (S T))) with (next (hist (S T)) :: hist (S T)). cbn [segment].
    destruct (segment (hist (S T))) as [[D f] c]. destruct I as [I1 [I2 [I3 _]]].
    destruct (joined _ D N1 I1 N3 I2) as [J1 [J2 [J3 J4]]]. set (e := next (hist (S T))) in *.
    destruct (Nat.eqb_spec (length (minus e D ++ D)) (S k)) as [L|L]; intros y Y1 Y2; simpl rev.
    + destruct (spare D I1 I3) as [z [Z1 Z2]]. destruct (IH z Z1 Z2) as [x [X1 X2]].
      assert (Ez : In z e).
      { assert (A : incl pages (minus e D ++ D)).
        { apply NoDup_length_incl; auto. rewrite (Events.pages_length l n k m l_pos m_pos m_le_n fit enough). lia. }
        apply A in Z1. apply J4 in Z1. tauto. }
      exists (x + (bypass_cost (but z) e (but y) + 0)). split.
      * eapply bypass_runs_app; eauto. constructor; [now apply but_cache|constructor].
      * assert (bypass_cost (but z) e (but y) <= 1); [|lia]. unfold bypass_cost.
        assert (A1 : length (minus e (but z)) <= 1).
        { change 1 with (length [z]). apply NoDup_incl_length; [now apply minus_NoDup|]. intros q Hq. apply minus_In in Hq.
          destruct Hq as [Q1 Q2]. left. destruct (Nat.eq_dec z q); auto. exfalso. apply Q2. apply in_in_remove; auto. }
        assert (A2 : minus (but y) (e ++ but z) = []).
        { destruct (minus (but y) (e ++ but z)) as [|q r] eqn:E; auto. exfalso.
          assert (Hq : In q (minus (but y) (e ++ but z))) by (rewrite E; now left). apply minus_In in Hq. destruct Hq as [Q1 Q2].
          apply in_remove in Q1. apply Q2, in_or_app. destruct (Nat.eq_dec z q) as [->|N]; [now left|right].
          apply in_in_remove; [auto|tauto]. }
        rewrite A2. simpl. lia.
    + assert (Ye : ~ In y e /\ ~ In y D) by (split; intros H; apply Y2, J4; auto).
      destruct (IH y Y1 (proj2 Ye)) as [x [X1 X2]]. exists (x + (bypass_cost (but y) e (but y) + 0)). split.
      * eapply bypass_runs_app; eauto. constructor; [now apply but_cache|constructor].
      * assert (bypass_cost (but y) e (but y) = 0); [|lia]. unfold bypass_cost.
        assert (A1 : minus e (but y) = []).
        { destruct (minus e (but y)) as [|q r] eqn:E; auto. exfalso. assert (Hq : In q (minus e (but y))) by (rewrite E; now left).
          apply minus_In in Hq. destruct Hq as [Q1 Q2]. apply Q2. apply (but_has y e N3 (proj1 Ye) q Q1). }
        assert (A2 : minus (but y) (e ++ but y) = []).
        { destruct (minus (but y) (e ++ but y)) as [|q r] eqn:E; auto. exfalso.
          assert (Hq : In q (minus (but y) (e ++ but y))) by (rewrite E; now left). apply minus_In in Hq. destruct Hq as [Q1 Q2].
          apply Q2, in_or_app. now right. }
        rewrite A1, A2. reflexivity.
Qed.

Lemma wins P Q add : (forall h x d, layered_events l n m 0 (rev h) -> bypass_runs [] (rev h) x d -> Q * bypass_paid h <= P * x + add) ->
  Q * K <= P.
Proof.
  intros Hall. destruct (le_lt_dec (Q * K) P) as [|Hlt]; auto. exfalso.
  assert (HQ : 1 <= Q) by (destruct Q; simpl in *; lia).
  set (B := P * (2 * k) + add).
  assert (Hb : forall T, exists x, Q * bypass_paid (hist (S T)) <= P * x + add /\ x <= 2 * k + B).
  { intros T. pose proof (inv_all (S T)) as I. pose proof (optimum T) as O. unfold inv in I.
    destruct (segment (hist (S T))) as [[D f] c]. destruct I as [I1 [_ [I3 [_ [I5 [_ [I7 _]]]]]]].
    destruct (spare D I1 I3) as [y [Y1 Y2]]. destruct (O y Y1 Y2) as [x [X1 X2]].
    pose proof (Hall _ _ _ (hist_layered (S T)) X1) as H. exists x. split; auto. assert (f <= B); [|lia].
    pose proof (paid_mono (S T - c) c) as M. replace (c + (S T - c)) with (S T) in M by lia.
    assert (J2 : Q * (K * f) <= Q * bypass_paid (hist (S T))) by (apply Nat.mul_le_mono_l; lia).
    assert (J3 : P * x <= P * (2 * k) + P * f) by (rewrite <- Nat.mul_add_distr_l; apply Nat.mul_le_mono_l; exact X2).
    assert (J4 : (P + 1) * f <= Q * K * f) by (apply Nat.mul_le_mono_r; lia).
    rewrite <- Nat.mul_assoc, Nat.mul_add_distr_r in J4. unfold B. lia. }
  set (X := P * (2 * k + B) + add + 1).
  assert (HX : exists T, X * l = S T).
  { exists (X * l - 1). assert (1 * 1 <= X * l) by (apply Nat.mul_le_mono; unfold X; lia). lia. }
  destruct HX as [T HT]. destruct (Hb T) as [x [H1 H2]]. pose proof (pays_often X) as H3. rewrite HT in H3.
  assert (P * x <= P * (2 * k + B)) by (apply Nat.mul_le_mono_l; exact H2).
  assert (1 * bypass_paid (hist (S T)) <= Q * bypass_paid (hist (S T))) by (apply Nat.mul_le_mono_r; exact HQ).
  unfold X in H3. lia.
Qed.
End Bypass.

Theorem events_bypass : forall l n k m, 1 <= l -> 1 <= m -> m <= n -> l * m <= k -> k + 1 <= l * n ->
  forall alg : list (list nat) -> cache, (forall h, length (alg h) <= k) -> forall P Q add,
  (forall h x d, layered_events l n m 0 (rev h) -> bypass_runs k [] (rev h) x d -> Q * bypass_paid alg h <= P * x + add) ->
  Q * (k - l * m + 2) <= P.
Proof. intros l n k m H1 H2 H3 H4 H5 alg H6 P Q add. now apply (wins l n k m alg H1 H2 H3 H4 H5 H6). Qed.
