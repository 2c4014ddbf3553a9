"""The loss of training, computed with less work than a plain forward pass needs."""

from typing import Any

IGNORED = -100  # the label of a token that bears no loss


def answer_loss(model: Any, input_ids: Any, attention_mask: Any, labels: Any) -> Any:
    """The mean cross-entropy of the tokens that have a label, for a model whose layers attend to all of a sequence.

    All three tensors are [sequences, tokens], padded on the right; attention_mask is 0 for padding and 1 otherwise.

    Loss and gradient equal those of a plain forward pass. The prefix that all sequences share (template, task,
    options) is computed once: it and the rest of each sequence stand in one row without padding, and the mask lets
    each rest see the prefix and itself. Only the positions before answer tokens go through the head.
    """
    import torch

    # The shared prefix ends at least one token before the first label, whose logits come from the token before it.
    equal_tokens = int((input_ids == input_ids[0]).all(dim=0).int().cumprod(0).sum())
    first_label = int((labels != IGNORED).any(dim=0).int().argmax())
    prefix = min(equal_tokens, first_label - 1)

    # One row: the prefix (owner -1), then the rest of each sequence (owner: its number).
    sequence, place = attention_mask[:, prefix:].nonzero(as_tuple=True)
    prefix_positions = torch.arange(prefix, device=input_ids.device)
    owner = torch.cat([torch.full_like(prefix_positions, -1), sequence])
    position = torch.cat([prefix_positions, place + prefix])
    row = torch.cat([input_ids[0, :prefix], input_ids[:, prefix:][sequence, place]])
    visible = ((owner[:, None] == owner) | (owner == -1)) & (position[:, None] >= position)

    rest_labels = labels[:, prefix:][sequence, place]
    answers = (rest_labels != IGNORED).nonzero().squeeze(1)

    def before_answers(head: Any, args: tuple[Any, ...]) -> Any:
        hidden = args[0]  # [1, tokens, dim]
        return hidden[:, prefix + answers - 1]

    # The model's own forward computes the logits, since some models scale or cap what the head gives.
    with model.get_output_embeddings().register_forward_pre_hook(before_answers):
        logits = model(
            row[None], attention_mask=visible[None, None], position_ids=position[None], use_cache=False
        ).logits
    return torch.nn.functional.cross_entropy(logits[0].float(), rest_labels[answers])
