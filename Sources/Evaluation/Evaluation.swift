// Tasks that judge a model.
