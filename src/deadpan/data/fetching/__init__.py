"""Downloads of corpora and components: resumed, verified, and never visible half done."""
