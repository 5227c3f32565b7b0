(* Events of m pages, forced: every online algorithm has a ratio of at least k - l m + 1, for all l, n, k, m with
   l m <= k and k + 1 <= l n.  All pages of an event are in the cache when it has been served.  The algorithm is any
   function from histories to caches; it may prefetch and may start with any cache. *)
From Coq Require Import List Arith Bool Lia FinFun.
From LP.library Require Import Model.
Import ListNotations.

Section Events.
Variables l n k m : nat.

(* a sequence of events of m different pages each, layered from time t on *)
Fixpoint layered_events (t : nat) (s : list (list nat)) : Prop :=
  match s with
  | [] => True
  | e :: s' => NoDup e /\ length e = m /\ (forall p, In p e -> p < l * n /\ layer n p = t mod l) /\ layered_events (S t) s'
  end.
(* any schedule of events, with its cost and its last cache *)
Inductive event_runs : cache -> list (list nat) -> nat -> cache -> Prop :=
| event_nil c : event_runs c [] 0 c
| event_step c c' d e s x : is_cache k c' -> incl e c' -> event_runs c' s x d ->
    event_runs c (e :: s) (length (minus c' c) + x) d.
Lemma event_runs_app c s1 x1 d : event_runs c s1 x1 d -> forall s2 x2 e, event_runs d s2 x2 e ->
  event_runs c (s1 ++ s2) (x1 + x2) e.
Proof. induction 1; intros; simpl; auto. rewrite <- Nat.add_assoc. econstructor; eauto. Qed.
Lemma layered_events_app s1 : forall t s2, layered_events t s1 -> layered_events (t + length s1) s2 -> layered_events t (s1 ++ s2).
Proof.
  induction s1; simpl; intros t s2; [now rewrite Nat.add_0_r|]. intros [H1 [H2 [H3 H4]]] H5. repeat split; auto; try apply H3; auto.
  apply IHs1; auto. now replace (S t + length s1) with (t + S (length s1)) by lia.
Qed.

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

(* k + 1 pages, the first m of each layer among them *)
Definition base (j : nat) : list nat := map (fun e => j * n + e) (seq 0 m).
Definition firsts : list nat := filter (fun p => p mod n <? m) (seq 0 (l * n)).
Definition others : list nat := filter (fun p => negb (mem p firsts)) (seq 0 (l * n)).
Definition pages : list nat := firsts ++ firstn (k + 1 - length firsts) others.

Lemma base_ok j : NoDup (base j) /\ length (base j) = m /\ forall p, In p (base j) -> layer n p = j.
Proof.
  split; [apply FinFun.Injective_map_NoDup; [intros a b H; lia|apply seq_NoDup]|].
  split; [unfold base; now rewrite map_length, seq_length|]. intros p H. apply in_map_iff in H. destruct H as [e [<- H]].
  apply in_seq in H. unfold layer. rewrite Nat.add_comm, Nat.div_add, Nat.div_small; lia.
Qed.
Lemma firsts_few : length firsts <= l * m.
Proof.
  assert (L : length (flat_map base (seq 0 l)) = l * m).
  { assert (G : forall js, length (flat_map base js) = length js * m).
    { induction js as [|j js IH]; [reflexivity|]. simpl. rewrite app_length, IH. destruct (base_ok j) as [_ [E _]]. lia. }
    now rewrite G, seq_length. }
  rewrite <- L. apply NoDup_incl_length; [apply NoDup_filter, seq_NoDup|]. intros p H. apply filter_In in H. destruct H as [H1 H2].
  apply in_seq in H1. apply Nat.ltb_lt in H2. apply in_flat_map. exists (p / n). split.
  - apply in_seq. split; [lia|]. apply Nat.div_lt_upper_bound; lia.
  - apply in_map_iff. exists (p mod n). split; [rewrite (Nat.div_mod p n) at 3 by lia; lia|apply in_seq; lia].
Qed.
Lemma others_many : k + 1 - length firsts <= length others.
Proof.
  assert (H : incl (seq 0 (l * n)) (firsts ++ others)).
  { intros p Hp. apply in_or_app. destruct (in_dec Nat.eq_dec p firsts) as [|N]; auto. right.
    apply filter_In. split; auto. apply negb_true_iff, not_true_iff_false. rewrite mem_In. auto. }
  apply NoDup_incl_length in H; [|apply seq_NoDup]. rewrite app_length, seq_length in H. lia.
Qed.
Lemma pages_NoDup : NoDup pages.
Proof.
  apply NoDup_app_; [apply NoDup_filter, seq_NoDup|apply NoDup_firstn_, NoDup_filter, seq_NoDup|].
  intros p H1 H2. apply In_firstn, filter_In in H2. destruct H2 as [_ H2]. apply negb_true_iff in H2.
  apply mem_In in H1. congruence.
Qed.
Lemma pages_length : length pages = S k.
Proof.
  unfold pages. rewrite app_length, firstn_length_le by apply others_many. pose proof firsts_few. lia.
Qed.
Lemma pages_ok p : In p pages -> p < l * n /\ layer n p < l.
Proof.
  intros H. assert (p < l * n).
  { unfold pages in H. rewrite in_app_iff in H. destruct H as [H|H]; [|apply In_firstn in H]; apply filter_In in H;
      destruct H as [H _]; apply in_seq in H; lia. }
  split; auto. unfold layer. apply Nat.div_lt_upper_bound; lia.
Qed.
Lemma base_pages j : j < l -> incl (base j) pages.
Proof.
  intros Hj p H. apply in_or_app. left. apply in_map_iff in H. destruct H as [e [<- H]]. apply in_seq in H.
  apply filter_In. split; [apply in_seq; nia|]. apply Nat.ltb_lt. rewrite Nat.add_comm, Nat.mod_add, Nat.mod_small; lia.
Qed.

(* the adversary asks again for what the layer was asked for last; where a page of the layer is absent, for that one too *)
Definition last_event (h : list (list nat)) : list nat :=
  if length h <? l then base (length h mod l) else nth (l - 1) h [].
Definition absent (h : list (list nat)) : list nat :=
  filter (fun p => (layer n p =? length h mod l) && negb (mem p (alg h))) pages.
Definition next (h : list (list nat)) : list nat :=
  match absent h with
  | [] => last_event h
  | x :: _ => if mem x (last_event h) then last_event h else x :: firstn (m - 1) (last_event h)
  end.
Fixpoint hist (T : nat) : list (list nat) := match T with 0 => [] | S U => next (hist U) :: hist U end.
Lemma hist_length T : length (hist T) = T.
Proof. induction T; simpl; auto. Qed.

Definition proper (j : nat) (e : list nat) : Prop := NoDup e /\ length e = m /\ incl e pages /\ forall p, In p e -> layer n p = j.
Definition good (h : list (list nat)) : Prop := forall d, d < length h -> proper ((length h - 1 - d) mod l) (nth d h []).

Lemma last_proper h : good h -> proper (length h mod l) (last_event h).
Proof.
  intros G. unfold last_event. destruct (Nat.ltb_spec (length h) l).
  - destruct (base_ok (length h mod l)) as [B1 [B2 B3]]. split; auto. split; auto. split; auto.
    apply base_pages. apply Nat.mod_upper_bound. lia.
  - replace (length h mod l) with ((length h - 1 - (l - 1)) mod l); [apply G; lia|].
    replace (length h) with ((length h - l) + 1 * l) at 2 by lia. rewrite Nat.mod_add by lia. f_equal. lia.
Qed.
Lemma absent_in h x : In x (absent h) -> In x pages /\ layer n x = length h mod l /\ ~ In x (alg h).
Proof.
  unfold absent. rewrite filter_In, andb_true_iff, negb_true_iff, Nat.eqb_eq. intros [H1 [H2 H3]]. repeat split; auto.
  rewrite <- mem_In. congruence.
Qed.
Lemma next_proper h : good h -> proper (length h mod l) (next h).
Proof.
  intros G. pose proof (last_proper h G) as [L1 [L2 [L3 L4]]]. unfold next. destruct (absent h) as [|x r] eqn:E; [repeat split; auto|].
  assert (Hx : In x (absent h)) by (rewrite E; now left). apply absent_in in Hx. destruct Hx as [X1 [X2 X3]].
  destruct (mem x (last_event h)) eqn:Em; [repeat split; auto|].
  assert (Hn : ~ In x (last_event h)) by (rewrite <- mem_In; congruence). split; [|split; [|split]].
  - constructor; [|now apply NoDup_firstn_]. intros H. apply In_firstn in H. auto.
  - simpl. rewrite firstn_length_le; lia.
  - intros p [<-|H]; auto. apply In_firstn in H. auto.
  - intros p [<-|H]; auto. apply In_firstn in H. auto.
Qed.
Lemma hist_good T : good (hist T).
Proof.
  induction T as [|T IH]; intros d Hd; simpl in Hd; [lia|]. destruct d as [|d]; simpl.
  - replace ((length (hist T) - 0 - 0) mod l) with (length (hist T) mod l) by (f_equal; lia). now apply next_proper.
  - replace (length (hist T) - 0 - S d) with (length (hist T) - 1 - d) by lia. apply IH. lia.
Qed.
Lemma hist_layered T : layered_events 0 (rev (hist T)).
Proof.
  induction T; simpl; auto. apply layered_events_app; auto. rewrite rev_length. simpl.
  destruct (next_proper _ (hist_good T)) as [H1 [H2 [H3 H4]]]. repeat split; auto; apply pages_ok; auto.
Qed.

(* an event with an absent page is paid for *)
Lemma absent_pays h : good h -> absent h <> [] -> 1 <= length (minus (alg (next h :: h)) (alg h)).
Proof.
  intros G H. destruct (next_proper h G) as [N1 [N2 _]].
  assert (X : exists x, In x (next h) /\ ~ In x (alg h)).
  { destruct (absent h) as [|x r] eqn:E; [congruence|]. assert (Hx : In x (absent h)) by (rewrite E; now left).
    exists x. split; [|now apply absent_in]. unfold next. rewrite E. destruct (mem x (last_event h)) eqn:Em; [now apply mem_In|now left]. }
  destruct X as [x [X1 X2]]. pose proof (proj2 alg_ok _ h N1 N2 x X1) as X3.
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
    { unfold last_event. rewrite (proj2 (Nat.ltb_ge _ _)) by lia. apply I4. lia. }
    unfold N, e, next in *. destruct (absent h) as [|x r] eqn:E.
    - left. destruct (minus (last_event h) D) as [|y s] eqn:E2; auto. exfalso.
      assert (Hy : In y (minus (last_event h) D)) by (rewrite E2; now left). apply minus_In in Hy. destruct Hy as [Y1 Y2]. auto.
    - right. split; [|apply Pay; discriminate]. destruct (mem x (last_event h)).
      + destruct (minus (last_event h) D) as [|y s] eqn:E2; [simpl; lia|]. exfalso.
        assert (Hy : In y (minus (last_event h) D)) by (rewrite E2; now left). apply minus_In in Hy. destruct Hy as [Y1 Y2]. auto.
      + change 1 with (length [x]). apply NoDup_incl_length; auto. intros y Hy. apply minus_In in Hy.
        destruct Hy as [[<-|Y1] Y2]; [now left|]. apply In_firstn in Y1. exfalso. auto. }
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
Definition but (y : nat) : cache := remove Nat.eq_dec y pages.
Lemma but_cache y : In y pages -> is_cache k (but y).
Proof.
  intros H. split; [apply NoDup_remove_eq, pages_NoDup|]. pose proof (length_remove y pages pages_NoDup H) as L.
  unfold but. rewrite pages_length in L. lia.
Qed.
Lemma but_has y e : incl e pages -> ~ In y e -> incl e (but y).
Proof. intros H1 H2 p Hp. apply in_in_remove; auto. intros ->. auto. Qed.
Lemma spare D : NoDup D -> length D <= k -> exists y, In y pages /\ ~ In y D.
Proof.
  intros H1 H2. destruct (minus pages D) as [|y r] eqn:E.
  - exfalso. assert (I : incl pages D).
    { intros x Hx. destruct (in_dec Nat.eq_dec x D); auto. assert (Hm : In x (minus pages D)) by (apply minus_In; auto).
      rewrite E in Hm. inversion Hm. }
    apply NoDup_incl_length in I; [|apply pages_NoDup]. rewrite pages_length in I. lia.
  - exists y. apply minus_In. rewrite E. now left.
Qed.
Lemma optimum T : let '(D, f, c) := phase (hist (S T)) in forall y, In y pages -> ~ In y D ->
  exists x, event_runs [] (rev (hist (S T))) x (but y) /\ x <= k + f.
Proof.
  induction T as [|T IH].
  - simpl. destruct (next_proper [] (hist_good 0)) as [N1 [N2 [N3 _]]].
    assert (E : minus (next []) [] = next []).
    { clear. unfold minus. generalize (next []) as e. induction e as [|a r IHr]; cbn [filter]; auto. change (negb (mem a [])) with true. cbn iota. now rewrite IHr. }
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
  destruct (spare (nodup Nat.eq_dec (alg (hist T)))) as [y [Y1 Y2]]; [apply NoDup_nodup| |].
  { etransitivity; [|apply (proj1 alg_ok (hist T))]. apply NoDup_incl_length; [apply NoDup_nodup|]. intros x Hx. now apply nodup_In in Hx. }
  rewrite nodup_In in Y2. destruct (pages_ok y Y1) as [_ Yl].
  assert (Hd : exists d, d < l /\ (d + T) mod l = layer n y).
  { pose proof (Nat.mod_upper_bound T l ltac:(lia)) as Hr. destruct (le_lt_dec (T mod l) (layer n y)).
    - exists (layer n y - T mod l). split; [lia|]. rewrite Nat.add_comm, <- Nat.add_mod_idemp_l by lia.
      replace (T mod l + (layer n y - T mod l)) with (layer n y) by lia. apply Nat.mod_small; auto.
    - exists (layer n y + l - T mod l). split; [lia|]. rewrite Nat.add_comm, <- Nat.add_mod_idemp_l by lia.
      replace (T mod l + (layer n y + l - T mod l)) with (layer n y + 1 * l) by lia.
      rewrite Nat.mod_add by lia. apply Nat.mod_small; auto. }
  destruct Hd as [d [Hd1 Hd2]].
  assert (Same : forall j, j < l -> length (minus (alg (hist (S j + T))) (alg (hist (j + T)))) = 0).
  { intros j Hj. pose proof (paid_mono T j) as M1.
    assert (M2 : event_paid (hist (S j + T)) <= event_paid (hist (l + T))).
    { replace (l + T) with ((l - S j) + (S j + T)) by lia. apply paid_mono. }
    simpl in *. lia. }
  assert (Stay : forall j, j <= d -> ~ In y (alg (hist (j + T)))).
  { induction j as [|j IH]; intros Hj; auto. specialize (IH ltac:(lia)). intros H. specialize (Same j ltac:(lia)).
    assert (Hm : In y (minus (alg (hist (S j + T))) (alg (hist (j + T))))) by (apply minus_In; auto).
    destruct (minus (alg (hist (S j + T))) (alg (hist (j + T)))); [inversion Hm|discriminate]. }
  assert (Hab : absent (hist (d + T)) <> []).
  { intros Z. assert (Hy : In y (absent (hist (d + T)))); [|rewrite Z in Hy; inversion Hy].
    apply filter_In. split; auto. rewrite hist_length. apply andb_true_iff. split; [apply Nat.eqb_eq; lia|].
    apply negb_true_iff, not_true_iff_false. rewrite mem_In. now apply Stay. }
  pose proof (absent_pays _ (hist_good (d + T)) Hab) as Pp. specialize (Same d Hd1). simpl in Same. lia.
Qed.
Lemma pays_often X : X <= event_paid (hist (X * l)).
Proof. induction X as [|X IH]; [lia|]. simpl. pose proof (pays_in_turn (X * l)). lia. Qed.

Lemma wins P Q add : (forall h x d, layered_events 0 (rev h) -> event_runs [] (rev h) x d -> Q * event_paid h <= P * x + add) ->
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
End Events.

Theorem events_lower : forall l n k m, 1 <= l -> 1 <= m -> m <= n -> l * m <= k -> k + 1 <= l * n ->
  forall alg, online_events k m alg -> forall P Q add,
  (forall h x d, layered_events l n m 0 (rev h) -> event_runs k [] (rev h) x d -> Q * event_paid alg h <= P * x + add) ->
  Q * (k - l * m + 1) <= P.
Proof. intros l n k m H1 H2 H3 H4 H5 alg H6 P Q add. now apply (wins l n k m alg H1 H2 H3 H4 H5 H6). Qed.
