"""The meaning of a name by its words: `max_units` and `model.dense_units` both mean units.

Two names with the same meaning are one more guess, the least certain one: it is made if nothing
better was found and nothing else has the same meaning, and the values have to support it.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Synonyms, the canonical word first. Words are singular; a phrase is joined by `_`.
_SYNONYMS = (
    "learning_rate lr learn_rate eta lrate step_size",
    "weight_decay wd l2 l2_penalty l2_reg l2_regularization l2_regularisation l2_regularizer"
    " reg_l2 l2_rate l2_lambda lambda_l2 l2_weight l2_norm l2_factor l2_strength l2_coef"
    " regularizer_l2 kernel_l2 reg_lambda",
    "l1 l1_penalty l1_reg l1_regularization l1_regularisation l1_regularizer reg_l1 l1_rate"
    " l1_lambda lambda_l1 l1_weight l1_norm l1_factor reg_alpha",
    "dropout dropout_rate drop_rate dropout_prob dropout_probability drop_prob p_drop dropout_p"
    " dropout_ratio do dr",
    "unit neuron node hidden_unit hidden_size hidden_dim hidden_neuron hidden_node hidden width"
    " dense_unit hidden_dimension hid hs",
    "filter channel conv_filter feature_map out_channel",
    "layer hidden_layer dense_layer nl",
    "batch_size batch batchsize minibatch_size mini_batch_size minibatch bs",
    "optimizer optimiser optim opt solver",
    "activation act activation_function activation_fn act_fn nonlinearity",
    "epoch",
    "embedding_size embedding_dim embed_dim embed_size emb_dim emb_size embedding_dimension",
    "head attention_head attn_head",
    "kernel_size filter_size ks conv_size",
    "tree estimator boost_round boosting_round",
    "leaf leave num_leaf",
    "row_sample subsample bagging_fraction row_subsample",
    "column_sample colsample_bytree feature_fraction colsample",
    "gradient_clip grad_clip clipnorm clip_norm gradient_clip_norm grad_norm clip_grad"
    " gradient_clipping clip",
    "warmup_step warmup",
    "label_smoothing ls smoothing",
    "momentum mom",
    "epsilon eps",
    "batch_norm bn batchnorm batch_normalization use_bn",
    "augmentation aug augment data_augmentation",
    "gamma discount discount_factor",
)
#: Words that do not change what is meant: `max_units`, `n_layers`, `initial_learning_rate`. Not
#: `min` and `final`: the lowest rate of a schedule is not its first.
_PLAIN = frozenset(
    (
        *("max", "maximum", "n", "num", "number", "of", "nb", "count", "total", "the"),
        *("base", "init", "initial", "start", "starting", "peak", "default", "value", "use"),
        *("name", "type", "kind", "choice", "fn", "hp", "hparam", "param", "parameter", "my"),
        *("config", "cfg", "arg", "train", "training", "trainer", "model", "net", "network"),
        *("hyperparameter", "set", "global"),
    )
)
#: Parts of a model that a name may mention or not: `lstm_units` for the only units there are.
_PARTS = frozenset(
    (
        *("dense", "fc", "mlp", "linear", "layer", "block", "lstm", "gru", "rnn", "conv", "cnn"),
        *("cell", "classifier", "top", "adam", "adamw", "sgd", "kernel", "optimizer"),
    )
)


def meaning(words: Sequence[str]) -> frozenset[str]:
    """Return the meaning of a name: its words, with synonyms merged and without empty words.

    Args:
        words: of all parts of the name, in lower case.
    """
    found = _phrases([_singular(word) for word in words if word])
    telling = {word for word in found if word not in _PLAIN}
    bare = {word for word in telling if word not in _PARTS}
    # A name that consists of such words only, such as `optimizer.name`, means them.
    return frozenset(bare or telling or found)


def _phrases(words: Sequence[str]) -> list[str]:
    """Return the words, with the longest phrases that have synonyms joined."""
    found: list[str] = []
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            phrase = "_".join(words[at : at + length])
            if phrase in _MEANT:
                found.append(_MEANT[phrase])
                break
        else:
            length = 1
            found.append(words[at])
        at += length
    return found


def _singular(word: str) -> str:
    is_plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if is_plural else word


_MEANT = {phrase: line.split()[0] for line in _SYNONYMS for phrase in line.split()}
_LONGEST = max(phrase.count("_") + 1 for phrase in _MEANT)
