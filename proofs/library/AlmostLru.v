(* A lazy policy that never evicts a page requested l or more steps after some other cached page misses at most
   (k + l - 1) (m + 1) times, m being the cost of any schedule.  LLRU is such a policy in every convention, with every tie
   rule.  Layers are not used: the bound holds on all sequences. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online Phases.
Import ListNotations.

Section Almost.
Variables l k : nat.
Hypothesis l_pos : 1 <= l.
Hypothesis k_pos : 1 <= k.

Variable alg : list nat -> cache.
Hypothesis alg_start : alg [] = [].
Hypothesis alg_hit : forall p h, In p (alg h) -> alg (p :: h) = alg h.
Hypothesis alg_load : forall p h, ~ In p (alg h) -> length (alg h) < k -> alg (p :: h) = p :: alg h.
Hypothesis alg_evict : forall p h, ~ In p (alg h) -> k <= length (alg h) ->
  exists v, In v (alg h) /\ alg (p :: h) = p :: remove Nat.eq_dec v (alg h) /\
            forall o, In o (alg h) -> last h v < last h o + l.

Notation misses := (misses alg).
Notation phase := (phase k).

Lemma alg_cache h : NoDup (alg h) /\ length (alg h) <= k.
Proof.
  induction h as [|p h [I1 I2]]; [rewrite alg_start; split; [constructor|simpl; lia]|].
  destruct (in_dec Nat.eq_dec p (alg h)) as [Hi|Hi]; [rewrite alg_hit; auto|].
  destruct (le_lt_dec k (length (alg h))) as [Hk|Hk].
  - destruct (alg_evict p h Hi Hk) as [v [V1 [V2 _]]]. rewrite V2. split.
    + constructor; [|apply NoDup_remove_eq; auto]. intros H. apply in_remove in H. tauto.
    + pose proof (length_remove v (alg h) I1 V1). simpl. lia.
  - rewrite alg_load; auto. split; [constructor; auto|simpl; lia].
Qed.

Definition lost (D : list nat) (c : cache) : nat := length (minus D c).

Lemma minus_more D c c' : NoDup D -> (forall x, In x D -> ~ In x c' -> ~ In x c) -> length (minus D c') <= length (minus D c).
Proof.
  intros HD H. apply NoDup_incl_length; [apply minus_NoDup; auto|]. intros x Hx. apply minus_In in Hx. apply minus_In.
  destruct Hx. split; auto.
Qed.

(* W: the times of last request of pages of the phase that were evicted in it *)
Definition inv (h : list nat) : Prop := let '(D, f, c) := phase h in
  NoDup D /\ length D <= k /\ c <= length h /\
  (forall x, In x D <-> length h - c < last h x) /\
  exists W, NoDup W /\ (forall w, In w W -> length h - c < w /\ w < length h - c + l /\ w <= length h /\
                          (In (at_time h w) (alg h) -> last h (at_time h w) <> w)) /\
            misses h + lost D (alg h) <= (k + l - 1) * f + length D + length W.

Lemma times_few W s : NoDup W -> (forall w, In w W -> s < w /\ w < s + l) -> length W <= l - 1.
Proof.
  intros H1 H2. replace (l - 1) with (length (seq (S s) (l - 1))) by apply seq_length.
  apply NoDup_incl_length; auto. intros w Hw. apply H2 in Hw. apply in_seq. lia.
Qed.

Lemma inv_step h p : inv h -> inv (p :: h).
Proof.
  intros I. unfold inv in *. cbn [phase]. destruct (phase h) as [[D f] c] eqn:E.
  destruct I as [I1 [I2 [I3 [I4 [W [W1 [W2 I5]]]]]]].
  destruct (alg_cache h) as [A1 A2].
  assert (HW : length W <= l - 1) by (apply times_few with (length h - c); auto; intros w Hw; apply W2 in Hw; lia).
  assert (Hmiss : misses (p :: h) <= misses h + 1) by (simpl; destruct (mem p (alg h)); lia).
  (* a new phase *)
  assert (New : ~ In p D -> length D = k -> NoDup [p] /\ length [p] <= k /\ 1 <= length (p :: h) /\
     (forall x, In x [p] <-> length (p :: h) - 1 < last (p :: h) x) /\
     exists W, NoDup W /\ (forall w, In w W -> length (p :: h) - 1 < w /\ w < length (p :: h) - 1 + l /\ w <= length (p :: h) /\
                          (In (at_time (p :: h) w) (alg (p :: h)) -> last (p :: h) (at_time (p :: h) w) <> w)) /\
            misses (p :: h) + lost [p] (alg (p :: h)) <= (k + l - 1) * S f + length [p] + length W).
  { intros N1 N2. split; [constructor; [intros []|constructor]|]. split; [simpl; lia|]. split; [simpl; lia|]. split.
    - intros x. cbn [last length]. destruct (Nat.eq_dec p x) as [->|N]; simpl.
      + split; intros; [lia|auto].
      + split; [intros [?|[]]; congruence|]. pose proof (last_le h x). lia.
    - exists []. split; [constructor|]. split; [intros w []|].
      assert (Hl : lost [p] (alg (p :: h)) = 0).
      { unfold lost. destruct (minus [p] (alg (p :: h))) as [|x r] eqn:Ex; auto. exfalso.
        assert (Hx : In x (minus [p] (alg (p :: h)))) by (rewrite Ex; left; auto). apply minus_In in Hx.
        destruct Hx as [[<-|[]] X2]. apply X2.
        destruct (in_dec Nat.eq_dec p (alg h)) as [Hi|Hi]; [rewrite alg_hit; auto|].
        destruct (le_lt_dec k (length (alg h))) as [Hk|Hk].
        - destruct (alg_evict p h Hi Hk) as [v [_ [V2 _]]]. rewrite V2. left; auto.
        - rewrite alg_load; auto. left; auto. }
      rewrite Hl. rewrite Nat.mul_succ_r. cbn [length]. lia. }
  (* the same phase, whatever D' is *)
  assert (Same : forall D', NoDup D' -> length D' <= k -> (forall x, In x D' <-> x = p \/ In x D) ->
     length D' + lost D (alg h) = length D + lost D' (alg h) \/ True ->
     S c <= length (p :: h) /\ (forall x, In x D' <-> length (p :: h) - S c < last (p :: h) x) /\
     (length D <= length D' /\ (~ In p D -> length D' = S (length D))) ->
     NoDup D' /\ length D' <= k /\ S c <= length (p :: h) /\
     (forall x, In x D' <-> length (p :: h) - S c < last (p :: h) x) /\
     exists W', NoDup W' /\ (forall w, In w W' -> length (p :: h) - S c < w /\ w < length (p :: h) - S c + l /\ w <= length (p :: h) /\
                          (In (at_time (p :: h) w) (alg (p :: h)) -> last (p :: h) (at_time (p :: h) w) <> w)) /\
            misses (p :: h) + lost D' (alg (p :: h)) <= (k + l - 1) * f + length D' + length W').
  { intros D' D1 D2 D3 _ [C1 [C2 [C3 C4]]]. split; auto. split; auto. split; auto. split; auto.
    assert (Hs : length (p :: h) - S c = length h - c) by (simpl; lia). rewrite Hs.
    (* old times stay good *)
    assert (Old : forall w, In w W -> length h - c < w /\ w < length h - c + l /\ w <= length (p :: h) /\
        ((In (at_time h w) (alg (p :: h)) -> at_time h w <> p -> In (at_time h w) (alg h)) ->
         In (at_time (p :: h) w) (alg (p :: h)) -> last (p :: h) (at_time (p :: h) w) <> w)).
    { intros w Hw. destruct (W2 w Hw) as [X1 [X2 [X3 X4]]]. repeat split; auto; [simpl; lia|].
      intros Hsub. rewrite at_time_cons by lia. intros Hin. cbn [last].
      destruct (Nat.eq_dec p (at_time h w)) as [Hp|Hp]; [simpl; lia|]. apply X4. apply Hsub; auto. }
    destruct (in_dec Nat.eq_dec p (alg h)) as [Hi|Hi].
    - (* hit *)
      exists W. rewrite alg_hit by auto. split; auto. split.
      + intros w Hw. destruct (Old w Hw) as [X1 [X2 [X3 X4]]]. repeat split; auto.
        rewrite alg_hit in X4 by auto. apply X4. auto.
      + assert (Hm : misses (p :: h) = misses h).
        { simpl. replace (mem p (alg h)) with true; [auto|]. symmetry. apply mem_In; auto. }
        assert (lost D' (alg h) <= lost D (alg h)).
        { unfold lost. apply NoDup_incl_length; [apply minus_NoDup; auto|]. intros x Hx. apply minus_In in Hx.
          destruct Hx as [X1 X2]. apply minus_In. apply D3 in X1. destruct X1 as [->|X1]; tauto. }
        lia.
    - assert (Hm : misses (p :: h) = S (misses h)).
      { simpl. replace (mem p (alg h)) with false; [lia|]. symmetry. apply not_true_iff_false. rewrite mem_In. auto. }
      (* loading p: p is no longer lost, or it is new *)
      assert (Hload : lost D' (p :: alg h) + 1 + length D <= lost D (alg h) + length D').
      { unfold lost. destruct (in_dec Nat.eq_dec p D) as [Hd|Hd].
        - assert (S (length (minus D (p :: alg h))) <= length (minus D (alg h)))
            by (apply minus_shrinks with p; simpl; auto).
          assert (length (minus D' (p :: alg h)) <= length (minus D (p :: alg h))).
          { apply NoDup_incl_length; [apply minus_NoDup; auto|]. intros x Hx. apply minus_In in Hx. apply minus_In.
            destruct Hx as [X1 X2]. split; auto. apply D3 in X1. destruct X1 as [->|X1]; auto. }
          lia.
        - rewrite (C4 Hd).
          assert (length (minus D' (p :: alg h)) <= length (minus D (alg h))); [|lia].
          apply NoDup_incl_length; [apply minus_NoDup; auto|]. intros x Hx. apply minus_In in Hx.
          destruct Hx as [X1 X2]. apply minus_In. apply D3 in X1. simpl in X2. destruct X1 as [->|X1]; tauto. }
      destruct (le_lt_dec k (length (alg h))) as [Hk|Hk].
      + destruct (alg_evict p h Hi Hk) as [v [V1 [V2 V3]]].
        assert (Hvp : v <> p) by (intros ->; tauto).
        destruct (in_dec Nat.eq_dec v D) as [Hv|Hv].
        * (* a page of the phase goes: its time is new *)
          assert (Hout : exists o, In o (alg h) /\ ~ In o D').
          { destruct (minus (alg h) D') as [|o r] eqn:Eo.
            - exfalso. assert (Hinc : incl (p :: alg h) D').
              { intros x [<-|Hx]; [apply D3; auto|]. destruct (in_dec Nat.eq_dec x D') as [|N]; auto.
                assert (In x (minus (alg h) D')) by (apply minus_In; auto). rewrite Eo in H; inversion H. }
              apply NoDup_incl_length in Hinc; [simpl in Hinc; lia|constructor; auto].
            - exists o. apply minus_In. rewrite Eo. left; auto. }
          destruct Hout as [o [O1 O2]].
          assert (O3 : last h o <= length h - c).
          { destruct (le_lt_dec (last h o) (length h - c)); auto. exfalso. apply O2, D3. right. apply I4. auto. }
          pose proof (V3 o O1) as V4. pose proof (proj1 (I4 v) Hv) as V5.
          exists (last h v :: W). split; [constructor; auto|].
          -- intros Hw. destruct (W2 _ Hw) as [_ [_ [_ X]]]. rewrite at_last in X by lia. apply X; auto.
          -- split.
             ++ intros w [<-|Hw].
                ** pose proof (last_le h v). repeat split; try (simpl; lia). rewrite at_time_cons by auto.
                   rewrite at_last by lia. rewrite V2. intros [X|X]; [congruence|]. apply in_remove in X. tauto.
                ** destruct (Old w Hw) as [X1 [X2 [X3 X4]]]. repeat split; auto. apply X4. rewrite V2.
                   intros [X|X] N; [congruence|]. apply in_remove in X. tauto.
             ++ assert (lost D' (alg (p :: h)) <= lost D' (p :: alg h) + 1).
                { unfold lost. rewrite V2. replace (length (minus D' (p :: alg h)) + 1) with (length (v :: minus D' (p :: alg h))) by (simpl; lia).
                  apply NoDup_incl_length; [apply minus_NoDup; auto|]. intros x Hx. apply minus_In in Hx.
                  destruct Hx as [X1 X2]. destruct (Nat.eq_dec v x); [left; auto|right]. apply minus_In. split; auto.
                  intros [X|X]; apply X2; [left; auto|right]. apply in_in_remove; auto. }
                rewrite Hm. cbn [length]. lia.
        * exists W. split; auto. split.
          -- intros w Hw. destruct (Old w Hw) as [X1 [X2 [X3 X4]]]. repeat split; auto. apply X4. rewrite V2.
             intros [X|X] N; [congruence|]. apply in_remove in X. tauto.
          -- assert (lost D' (alg (p :: h)) <= lost D' (p :: alg h)).
             { unfold lost. rewrite V2. apply minus_more; auto. intros x X1 X2 [X|X]; apply X2; [left; auto|right].
               apply in_in_remove; auto. intros ->. apply D3 in X1. destruct X1; [congruence|tauto]. }
             rewrite Hm. lia.
      + exists W. rewrite alg_load by auto. split; auto. split.
        * intros w Hw. destruct (Old w Hw) as [X1 [X2 [X3 X4]]]. repeat split; auto.
          rewrite alg_load in X4 by auto. apply X4. intros [X|X] N; [congruence|auto].
        * rewrite Hm. lia. }
  assert (Hcnt : forall D', (forall x, In x D' <-> x = p \/ In x D) -> forall x, In x D' <-> length (p :: h) - S c < last (p :: h) x).
  { intros D' D3 x. rewrite D3, I4. cbn [last length]. destruct (Nat.eq_dec p x) as [->|N].
    - split; intros; [simpl; lia|auto].
    - replace (S (length h) - S c) with (length h - c) by lia. split; [intros [?|?]; congruence||auto|auto]. }
  destruct (mem p D) eqn:Em.
  - apply mem_In in Em. apply Same; auto; [intros x; split; [auto|intros [->|?]; auto]|].
    split; [simpl; lia|]. split; [apply Hcnt; intros x; split; [auto|intros [->|?]; auto]|]. split; [lia|tauto].
  - assert (Hp : ~ In p D) by (rewrite <- mem_In; congruence).
    destruct (length D <? k) eqn:El.
    + apply Nat.ltb_lt in El.
      assert (D3 : forall x, In x (p :: D) <-> x = p \/ In x D) by (intros x; simpl; split; intros [?|?]; auto).
      apply Same; auto; [constructor; auto|]. split; [simpl; lia|]. split; [apply Hcnt; auto|]. simpl. split; auto.
    + apply Nat.ltb_ge in El. apply New; auto. lia.
Qed.

Lemma inv_all h : inv h.
Proof.
  induction h; [|apply inv_step; auto]. unfold inv. cbn [phase]. split; [constructor|]. split; [simpl; lia|]. split; [simpl; lia|].
  split; [intros x; simpl; lia|]. exists []. split; [constructor|]. split; [intros w []|].
  unfold lost. simpl. lia.
Qed.

Theorem almost_lru : forall h m, schedule k [] (rev h) m -> misses h <= (k + l - 1) * (m + 1).
Proof.
  intros h m Hs. pose proof (phases_paid k k_pos h m Hs) as Q.
  destruct h as [|p h]; [apply Nat.le_0_l|].
  pose proof (inv_all (p :: h)) as I. unfold inv in I.
  destruct (phase (p :: h)) as [[D f] c] eqn:E. cbn [fst snd] in Q.
  destruct I as [I1 [I2 [I3 [I4 [W [W1 [W2 I5]]]]]]].
  assert (HW : length W <= l - 1) by (apply times_few with (length (p :: h) - c); auto; intros w Hw; apply W2 in Hw; lia).
  assert (H1 : (k + l - 1) * f <= (k + l - 1) * m) by (apply Nat.mul_le_mono_l; lia).
  rewrite Nat.mul_add_distr_l, Nat.mul_1_r. lia.
Qed.
End Almost.
