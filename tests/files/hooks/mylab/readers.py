from nertune.data.source import TaggedSentence


def slashed(source):
    """A sentence a line, each word with its tag behind a slash: Ada/B-PER lives/O in/O Oslo/B-LOC"""
    for number, line in enumerate(source.lines(), start=1):
        pairs = [item.rpartition("/") for item in line.split()]
        if not all(word and tag for word, _, tag in pairs):
            source.fault("a word without its tag", line=number, fix="Write for example: Oslo/B-LOC")
        elif pairs:
            words = tuple(word for word, _, _ in pairs)
            tags = tuple(tag for _, _, tag in pairs)
            yield TaggedSentence(words, tags, [number] * len(words))
