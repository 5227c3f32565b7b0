(* The model of layered paging.
   There are l layers of n pages.  Page p is in layer p / n.  Request number t goes to layer t mod l.
   A cache holds at most k pages.  A schedule may load whatever it likes, whenever it likes; it pays for what it loads. *)
From Coq Require Import List Arith Bool Lia.
Import ListNotations.

Section Model.
Variables l n k : nat.

Definition layer (p : nat) : nat := p / n.

(* a layered sequence that begins at time t *)
Fixpoint layered (t : nat) (s : list nat) : Prop :=
  match s with
  | [] => True
  | p :: s' => p < l * n /\ layer p = t mod l /\ layered (S t) s'
  end.

Definition cache := list nat.
Definition is_cache (c : cache) : Prop := NoDup c /\ length c <= k.
Definition mem (p : nat) (c : cache) : bool := if in_dec Nat.eq_dec p c then true else false.
Definition minus (c d : cache) : list nat := filter (fun x => negb (mem x d)) c.

(* any offline schedule: after each request a cache that holds the page; the cost is what was loaded *)
Inductive schedule : cache -> list nat -> nat -> Prop :=
| sched_nil c : schedule c [] 0
| sched_step c c' p s m : is_cache c' -> In p c' -> schedule c' s m ->
    schedule c (p :: s) (length (minus c' c) + m).

(* a schedule with its last cache *)
Inductive runs : cache -> list nat -> nat -> cache -> Prop :=
| runs_nil c : runs c [] 0 c
| runs_step c c' d p s m : is_cache c' -> In p c' -> runs c' s m d ->
    runs c (p :: s) (length (minus c' c) + m) d.
Lemma runs_schedule c s m d : runs c s m d -> schedule c s m.
Proof. induction 1; [constructor | econstructor; eauto]. Qed.
Lemma runs_app c s1 m1 d : runs c s1 m1 d -> forall s2 m2 e, runs d s2 m2 e -> runs c (s1 ++ s2) (m1 + m2) e.
Proof.
  induction 1; intros; simpl; auto. rewrite <- Nat.add_assoc. econstructor; eauto.
Qed.

Lemma schedule_runs c s m : schedule c s m -> exists d, runs c s m d.
Proof.
  induction 1 as [c|c c' p s m H1 H2 H3 [d IH]]; [exists c; constructor|]. exists d. constructor; auto.
Qed.
Lemma runs_snoc s : forall c p m d, runs c (s ++ [p]) m d ->
  exists e m1, runs c s m1 e /\ is_cache d /\ In p d /\ m = m1 + length (minus d e).
Proof.
  induction s as [|q s IH]; simpl; intros c p m d H.
  - inversion H as [|c0 c' d0 p0 s0 m0 H1 H2 H3]; subst. inversion H3; subst.
    exists c, 0. split; [constructor|]. split; [exact H1|]. split; [exact H2|]. simpl; lia.
  - inversion H as [|c0 c' d0 p0 s0 m0 H1 H2 H3]; subst. destruct (IH _ _ _ _ H3) as [e [m1 [R1 [R2 [R3 R4]]]]].
    exists e, (length (minus c' c) + m1). split; [constructor; auto|]. split; [exact R2|]. split; [exact R3|]. lia.
Qed.

Lemma layered_app s1 : forall t s2, layered t s1 -> layered (t + length s1) s2 -> layered t (s1 ++ s2).
Proof.
  induction s1; simpl; intros t s2; [now rewrite Nat.add_0_r|]. intros [H1 [H2 H3]] H4.
  repeat split; auto. apply IHs1; auto. now replace (S t + length s1) with (t + S (length s1)) by lia.
Qed.
Hypothesis l_pos : 0 < l.
Lemma layered_mod s : forall t u, t mod l = u mod l -> layered t s -> layered u s.
Proof.
  induction s; simpl; intros t u H; auto. intros [H1 [H2 H3]]. rewrite <- H. repeat split; auto.
  apply IHs with (S t); auto.
  replace (S t) with (t + 1) by lia. replace (S u) with (u + 1) by lia.
  rewrite <- (Nat.add_mod_idemp_l t), <- (Nat.add_mod_idemp_l u), H by lia. auto.
Qed.

End Model.

(* caches as lists without repetition *)
Lemma mem_In p c : mem p c = true <-> In p c.
Proof. unfold mem; destruct (in_dec _ _ _); split; intros; auto; congruence. Qed.

Lemma minus_In x c d : In x (minus c d) <-> In x c /\ ~ In x d.
Proof.
  unfold minus; rewrite filter_In, negb_true_iff; unfold mem.
  destruct (in_dec _ _ _); intuition congruence.
Qed.

Lemma minus_NoDup c d : NoDup c -> NoDup (minus c d).
Proof. apply NoDup_filter. Qed.

Lemma minus_trans a b c : NoDup a -> length (minus a c) <= length (minus a b) + length (minus b c).
Proof.
  intros Ha. rewrite <- app_length. apply NoDup_incl_length; [now apply minus_NoDup|].
  intros x. rewrite minus_In, in_app_iff, !minus_In. intros [H1 H2].
  destruct (in_dec Nat.eq_dec x b); tauto.
Qed.

Lemma minus_self c : minus c c = [].
Proof.
  destruct (minus c c) as [|x r] eqn:E; auto.
  assert (H : In x (minus c c)) by (rewrite E; left; auto). apply minus_In in H; tauto.
Qed.

Lemma NoDup_remove_eq x (c : cache) : NoDup c -> NoDup (remove Nat.eq_dec x c).
Proof.
  induction 1; simpl; [constructor|]. destruct (Nat.eq_dec x x0); auto.
  constructor; auto. intros H1. apply in_remove in H1. tauto.
Qed.

Lemma length_remove x (c : cache) : NoDup c -> In x c -> S (length (remove Nat.eq_dec x c)) = length c.
Proof.
  induction 1; simpl; [tauto|]. intros [->|H1].
  - destruct (Nat.eq_dec x x); [|congruence]. rewrite notin_remove; auto.
  - destruct (Nat.eq_dec x x0); [subst; tauto|]. simpl. f_equal. auto.
Qed.

(* a page of the full cache L that is not in C', if C' has a page that L lacks *)
Lemma exists_victim (L C : cache) p : NoDup L -> NoDup C -> length C <= length L -> In p C -> ~ In p L ->
  exists x, In x L /\ ~ In x C.
Proof.
  intros HL HC Hlen Hp Hn.
  destruct (minus L C) as [|x r] eqn:E.
  - exfalso. assert (Hi : incl (p :: L) C).
    { intros y [->|Hy]; auto. destruct (in_dec Nat.eq_dec y C) as [|N]; auto.
      assert (In y (minus L C)) by (apply minus_In; auto). rewrite E in H; inversion H. }
    apply NoDup_incl_length in Hi; [simpl in Hi; lia|constructor; auto].
  - exists x. apply minus_In. rewrite E. left; auto.
Qed.

(* a page more in L is a page less to load *)
Lemma minus_shrinks (C L L' : cache) p : NoDup C -> In p C -> ~ In p L -> In p L' ->
  (forall x, In x C -> In x L -> In x L') -> S (length (minus C L')) <= length (minus C L).
Proof.
  intros HC Hp Hn Hp' Hk.
  change (S (length (minus C L'))) with (length (p :: minus C L')). apply NoDup_incl_length.
  - constructor; [rewrite minus_In; tauto | now apply minus_NoDup].
  - intros x [<-|Hx]; apply minus_In; [auto|]. apply minus_In in Hx. destruct Hx as [H1 H2].
    split; auto.
Qed.

Lemma NoDup_firstn_ {A} (x : list A) m : NoDup x -> NoDup (firstn m x).
Proof.
  intros H. rewrite <- (firstn_skipn m x) in H. revert H. generalize (skipn m x).
  induction (firstn m x); simpl; intros r H; [constructor|].
  inversion H; subst. constructor; [intros Hi; apply H2, in_or_app; auto | eauto].
Qed.
Lemma In_firstn {A} (x : list A) m a : In a (firstn m x) -> In a x.
Proof. intros H. rewrite <- (firstn_skipn m x). apply in_or_app; auto. Qed.
Lemma NoDup_app_ {A} (a b : list A) : NoDup a -> NoDup b -> (forall x, In x a -> ~ In x b) -> NoDup (a ++ b).
Proof.
  induction 1; simpl; intros Hb Hd; auto. constructor.
  - rewrite in_app_iff. intros [?|?]; [tauto|]. eapply Hd; eauto.
  - apply IHNoDup; auto.
Qed.

(* more pages *)
Lemma extend F N m : NoDup F -> (forall p, In p F -> p < N) -> length F <= m -> m <= N ->
  exists U, NoDup U /\ length U = m /\ incl F U /\ forall p, In p U -> p < N.
Proof.
  intros HF Hs Hl Hm. set (rest := filter (fun p => negb (mem p F)) (seq 0 N)).
  assert (HR : forall p, In p rest <-> p < N /\ ~ In p F).
  { intros p. unfold rest. rewrite filter_In, in_seq, negb_true_iff, <- not_true_iff_false, mem_In. intuition lia. }
  assert (Hc : m - length F <= length rest).
  { assert (H : incl (seq 0 N) (F ++ rest)).
    { intros p Hp. apply in_seq in Hp. apply in_or_app. destruct (in_dec Nat.eq_dec p F); auto. right. apply HR. split; [lia|auto]. }
    apply NoDup_incl_length in H; [|apply seq_NoDup]. rewrite app_length, seq_length in H. lia. }
  exists (F ++ firstn (m - length F) rest). split; [|split; [|split]].
  - apply NoDup_app_; [auto|apply NoDup_firstn_, NoDup_filter, seq_NoDup|].
    intros x H1 H2. apply In_firstn, HR in H2. tauto.
  - rewrite app_length, firstn_length. lia.
  - intros x Hx. apply in_or_app. auto.
  - intros p Hp. apply in_app_or in Hp. destruct Hp as [Hp|Hp]; auto. apply In_firstn, HR in Hp. tauto.
Qed.
Lemma filter_split (g : nat -> bool) C : length (filter g C) + length (filter (fun x => negb (g x)) C) = length C.
Proof. induction C as [|x C IH]; simpl; auto. destruct (g x); simpl; lia. Qed.
Lemma filter_length_iff (P : nat -> bool) L M : NoDup L -> NoDup M -> (forall x, In x M <-> In x L /\ P x = true) ->
  length (filter P L) = length M.
Proof.
  intros HL HM H. apply Nat.le_antisymm; apply NoDup_incl_length; auto; [apply NoDup_filter; auto| |]; intros x Hx.
  - apply filter_In in Hx. apply H. auto.
  - apply filter_In, H. auto.
Qed.
