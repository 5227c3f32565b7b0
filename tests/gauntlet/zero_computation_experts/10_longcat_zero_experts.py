"""Makes ./longcat-tiny, a LongCat-Flash of random parameters: 8 real experts and 4 zero-computation ones (ids 8..11, identity).

Needs torch and transformers >= 5.  Then:
    printf 'def f(x): return x+1\n' > prompts.txt
    layered-paging record longcat-tiny --prompts prompts.txt -o longcat.npz --new-tokens 12 --byte-tokens --overhead 0
"""

import torch
from transformers import AutoConfig, AutoModelForCausalLM

torch.manual_seed(0)
config = AutoConfig.for_model(
    "longcat_flash",
    vocab_size=256,
    hidden_size=32,
    num_attention_heads=4,
    num_key_value_heads=4,
    head_dim=8,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
    max_position_embeddings=512,
    num_layers=2,
    n_routed_experts=8,
    zero_expert_num=4,
    moe_topk=3,
    ffn_hidden_size=24,
    expert_ffn_hidden_size=16,
    kv_lora_rank=8,
    q_lora_rank=8,
    qk_rope_head_dim=8,
    qk_nope_head_dim=8,
    v_head_dim=8,
)
AutoModelForCausalLM.from_config(config).save_pretrained("longcat-tiny")
