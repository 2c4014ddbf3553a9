"""Small models of real architectures with random weights, and small tokenizers with families' chat templates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.llm.base_models import PLAIN_TEMPLATE

CORPUS = [
    "Can the last message be understood by itself? A. not needed B. needed C. don't know",
    "what is mmpose and how do I use it? it works on my machine, thanks",
    "最后一条消息本身是否完整 还是必须从前面的聊天记录中补充代词所指",
] * 4

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Trims messages, states the date, and opens the model's turn after every chat, as Llama 3's do.
HEADERS = (
    "{{ bos_token }}{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
# Refuses a system role and two turns of one speaker, as Gemma's.
TURNS = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}{{ '<start_of_turn>' + ('model' if m['role'] == "
    "'assistant' else 'user') + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
# Leaves a system message out without a word, and writes a blank before an answer, as Mistral's and Llama 2's.
INSTRUCTIONS = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + "
    "' [/INST]' }}{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
# Has no end of the model's turn, and opens it by half, as ChatGLM's.
HALF_OPENED = (
    "[gMASK]sop{% for m in messages %}{{ '<|' + m['role'] + '|>\n ' + m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# Writes a question anew once it is answered, and thinks unless told otherwise, as Qwen 3's.
REWRITTEN = (
    "{% for m in messages %}{% if m['role'] == 'user' and loop.last %}{{ '<|im_start|>user\nNow: ' + "
    "m['content'] + '<|im_end|>\n' }}{% else %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + "
    "'<|im_end|>\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
# Opens a thought whatever it is told, but not in a turn that is answered, as DeepSeek R1's.
THINKING = CHATML.replace("{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>assistant\n<think>\n' }}")
TEMPLATES = {
    "chatml": CHATML,
    "headers": HEADERS,
    "turns": TURNS,
    "instructions": INSTRUCTIONS,
    "half_opened": HALF_OPENED,
    "rewritten": REWRITTEN,
    "plain": PLAIN_TEMPLATE,
}
CONTROL_TOKENS = [
    *("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "[INST]"),
    *("[/INST]", "<start_of_turn>", "<end_of_turn>", "[gMASK]", "sop", "<|user|>", "<|assistant|>", "<|system|>"),
]
NOT_CALLED_SPECIAL = ["<think>", "</think>"]


def tokenizer(kind: str, template: str | None, corpus: Sequence[str] = CORPUS) -> Any:
    """A tokenizer trained on some lines: `bytes` as GPT-2's and Qwen's, `blanks` as SentencePiece's, in which a word
    begins with ▁ and a letter by itself may be two tokens.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    if kind == "bytes":
        trained = Tokenizer(models.BPE())
        trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trained.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    else:
        trained = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        trained.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        trained.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
        byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
        trainer = trainers.BpeTrainer(
            vocab_size=600, special_tokens=["<unk>", *byte_tokens], initial_alphabet=list("ABC▁"), show_progress=False
        )
    trained.train_from_iterator(corpus, trainer)
    trained.add_special_tokens([AddedToken(token, normalized=False) for token in CONTROL_TOKENS])
    trained.add_tokens([AddedToken(token, normalized=False) for token in NOT_CALLED_SPECIAL])
    fast = PreTrainedTokenizerFast(tokenizer_object=trained, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.chat_template = template
    return fast


def config(kind: str, vocabulary: int, **settings: Any) -> Any:
    """The config of a small model of a real architecture, as `qwen2_moe`."""
    from transformers import AutoConfig

    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "max_position_embeddings": 1024}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    ids = {"vocab_size": vocabulary, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    return AutoConfig.for_model(kind, **shape | heads | ids | settings)


def save_random_model(kind: str, folder: Path, fast_tokenizer: Any, **settings: Any) -> None:
    """Write a small model with random weights and its tokenizer as `save_pretrained` does."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config(kind, len(fast_tokenizer), **settings))
    model.get_output_embeddings().weight.data.mul_(20)  # so that options differ
    model.save_pretrained(folder)
    fast_tokenizer.save_pretrained(folder)
