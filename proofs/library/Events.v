(* Events of m pages: layered sequences of them, and an adversary of k + 1 pages, at least m of them in each layer. *)
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
Lemma layered_events_app s1 : forall t s2, layered_events t s1 -> layered_events (t + length s1) s2 -> layered_events t (s1 ++ s2).
Proof.
  induction s1; simpl; intros t s2; [now rewrite Nat.add_0_r|]. intros [H1 [H2 [H3 H4]]] H5. repeat split; auto; try apply H3; auto.
  apply IHs1; auto. now replace (S t + length s1) with (t + S (length s1)) by lia.
Qed.

Hypothesis l_pos : 1 <= l.
Hypothesis m_pos : 1 <= m.
Hypothesis m_le_n : m <= n.
Hypothesis fit : l * m <= k.
Hypothesis enough : k + 1 <= l * n.

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

(* caches that lack one page *)
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
Variable alg : list (list nat) -> cache.
Hypothesis alg_fits : forall h, length (alg h) <= k.

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

(* an event with an absent page has one *)
Lemma absent_asked h : absent h <> [] -> exists x, In x (next h) /\ ~ In x (alg h).
Proof.
  intros H. destruct (absent h) as [|x r] eqn:E; [congruence|]. assert (Hx : In x (absent h)) by (rewrite E; now left).
  exists x. split; [|now apply absent_in]. unfold next. rewrite E.
  destruct (mem x (last_event h)) eqn:Em; [now apply mem_In|now left].
Qed.
(* what an event asks for that a list with the last events lacks: nothing, or one page, and a page was absent *)
Lemma asked_new h D : incl (last_event h) D -> NoDup (minus (next h) D) ->
  length (minus (next h) D) = 0 \/ (length (minus (next h) D) <= 1 /\ absent h <> []).
Proof.
  intros Hlast NN. unfold next in *. destruct (absent h) as [|x r] eqn:E.
  - left. destruct (minus (last_event h) D) as [|y s] eqn:E2; auto. exfalso.
    assert (Hy : In y (minus (last_event h) D)) by (rewrite E2; now left). apply minus_In in Hy. destruct Hy as [Y1 Y2]. auto.
  - right. split; [|discriminate]. destruct (mem x (last_event h)).
    + destruct (minus (last_event h) D) as [|y s] eqn:E2; [simpl; lia|]. exfalso.
      assert (Hy : In y (minus (last_event h) D)) by (rewrite E2; now left). apply minus_In in Hy. destruct Hy as [Y1 Y2]. auto.
    + change 1 with (length [x]). apply NoDup_incl_length; auto. intros y Hy. apply minus_In in Hy.
      destruct Hy as [[<-|Y1] Y2]; [now left|]. apply In_firstn in Y1. exfalso. auto.
Qed.
(* an absent page that stays absent is asked for within l events *)
Lemma some_absent T : exists y d, In y pages /\ ~ In y (alg (hist T)) /\ d < l /\
  (~ In y (alg (hist (d + T))) -> absent (hist (d + T)) <> []).
Proof.
  destruct (spare (nodup Nat.eq_dec (alg (hist T)))) as [y [Y1 Y2]]; [apply NoDup_nodup| |].
  { etransitivity; [|apply (alg_fits (hist T))]. apply NoDup_incl_length; [apply NoDup_nodup|]. intros x Hx. now apply nodup_In in Hx. }
  rewrite nodup_In in Y2. destruct (pages_ok y Y1) as [_ Yl].
  assert (Hd : exists d, d < l /\ (d + T) mod l = layer n y).
  { pose proof (Nat.mod_upper_bound T l ltac:(lia)) as Hr. destruct (le_lt_dec (T mod l) (layer n y)).
    - exists (layer n y - T mod l). split; [lia|]. rewrite Nat.add_comm, <- Nat.add_mod_idemp_l by lia.
      replace (T mod l + (layer n y - T mod l)) with (layer n y) by lia. apply Nat.mod_small; auto.
    - exists (layer n y + l - T mod l). split; [lia|]. rewrite Nat.add_comm, <- Nat.add_mod_idemp_l by lia.
      replace (T mod l + (layer n y + l - T mod l)) with (layer n y + 1 * l) by lia.
      rewrite Nat.mod_add by lia. apply Nat.mod_small; auto. }
  destruct Hd as [d [Hd1 Hd2]]. exists y, d. repeat split; auto. intros Hy Z.
  assert (Ha : In y (absent (hist (d + T)))); [|rewrite Z in Ha; inversion Ha].
  apply filter_In. split; auto. rewrite hist_length. apply andb_true_iff. split; [apply Nat.eqb_eq; lia|].
  apply negb_true_iff, not_true_iff_false. now rewrite mem_In.
Qed.
End Events.
