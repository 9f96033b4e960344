CREATE TABLE nertune_attempts (
	id INTEGER NOT NULL, 
	cell_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	state VARCHAR(12) NOT NULL, 
	cause VARCHAR(20), 
	message TEXT, 
	started VARCHAR(32) NOT NULL, 
	seconds FLOAT, 
	PRIMARY KEY (id), 
	UNIQUE (cell_id, number), 
	FOREIGN KEY(cell_id) REFERENCES nertune_cells (id)
);
INSERT INTO "nertune_attempts" VALUES(1,1,1,'complete',NULL,NULL,'2026-11-21T15:58:31.026+00:00',1.01347325700044166296e+00);
INSERT INTO "nertune_attempts" VALUES(2,2,1,'complete',NULL,NULL,'2026-11-21T15:58:33.291+00:00',1.01767905800079461187e+00);
CREATE TABLE nertune_cells (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	stage VARCHAR(10) NOT NULL, 
	number INTEGER NOT NULL, 
	point JSON NOT NULL, 
	point_id VARCHAR(16) NOT NULL, 
	seed INTEGER NOT NULL, 
	state VARCHAR(12) NOT NULL, 
	scores JSON, 
	best_epoch FLOAT, 
	best_step INTEGER, 
	seconds FLOAT, 
	attempts INTEGER NOT NULL, 
	cause VARCHAR(20), 
	message TEXT, 
	PRIMARY KEY (id), 
	UNIQUE (study_id, stage, number), 
	UNIQUE (study_id, stage, point_id, seed), 
	FOREIGN KEY(study_id) REFERENCES nertune_studies (id)
);
INSERT INTO "nertune_cells" VALUES(1,1,'search',0,'{"train.batch_size": 8, "train.learning_rate": 0.0001}','45b8e224fd0c7bf4',42,'complete','{"dev": {"f1": 1.00082, "loss": 1.0}}',2.0,2,1.01347325700044166296e+00,1,NULL,NULL);
INSERT INTO "nertune_cells" VALUES(2,1,'search',1,'{"train.batch_size": 8, "train.learning_rate": 1e-05}','0984e8912424e5b9',42,'complete','{"dev": {"f1": 0.50082, "loss": 1.0}}',2.0,2,1.01767905800079461187e+00,1,NULL,NULL);
INSERT INTO "nertune_cells" VALUES(3,1,'search',2,'{"train.batch_size": 16, "train.learning_rate": 0.0001}','294dc485dae08898',42,'waiting',NULL,NULL,NULL,NULL,0,NULL,NULL);
CREATE TABLE nertune_runs (
	id INTEGER NOT NULL, 
	attempt_id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	stage VARCHAR(10) NOT NULL, 
	seed INTEGER NOT NULL, 
	parameters JSON NOT NULL, 
	state VARCHAR(12) NOT NULL, 
	scores JSON, 
	started VARCHAR(32) NOT NULL, 
	seconds FLOAT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(attempt_id) REFERENCES nertune_attempts (id), 
	FOREIGN KEY(study_id) REFERENCES nertune_studies (id)
);
INSERT INTO "nertune_runs" VALUES(1,1,1,'trial-0000','search',42,'{"model.name": null, "model.base": "nobody/none", "model.tokenizer": null, "model.lower_case": null, "model.checkpoint": null, "model.checkpoint_strict": false, "model.reinit_layers": 0, "model.pieces": "first", "model.pooling": "cls", "model.head": "linear", "model.hidden": [500, 250, 125], "model.activation": "relu", "model.head_dropout": null, "model.crf": false, "model.crf_constraints": true, "model.problem": "single_label", "model.threshold": 0.5, "model.heads": null, "train.epochs": 4, "train.batch_size": 8, "train.max_steps": null, "train.device_batch_size": null, "train.learning_rate": 0.0001, "train.head_learning_rate": null, "train.layer_decay": 1.0, "train.weight_decay": 0.0, "train.head_weight_decay": null, "train.freeze": "none", "train.top_layers": null, "train.lora": null, "train.warmup_ratio": 0.0, "train.schedule": "linear", "train.max_grad_norm": 1.0, "train.patience": null, "train.evaluate_every": "epoch", "train.label_smoothing": 0.0, "train.loss": "cross_entropy", "train.focal_gamma": 2.0, "train.balance": 0.0, "train.optimizer": "adamw_torch_fused", "train.beta1": 0.9, "train.beta2": 0.999, "train.epsilon": 1e-08, "train.batches": "grouped", "train.precision": "auto", "train.max_pieces": null, "train.overlap_pieces": 64, "train.truncate": "head", "protocol.repeat": null, "protocol.kfold": null, "protocol.final": "refit", "seed": 42}','complete','{"dev": {"f1": 1.00082, "loss": 1.0}}','2026-11-21T15:58:31.026+00:00',1.01347325700044166296e+00);
INSERT INTO "nertune_runs" VALUES(2,2,1,'trial-0001','search',42,'{"model.name": null, "model.base": "nobody/none", "model.tokenizer": null, "model.lower_case": null, "model.checkpoint": null, "model.checkpoint_strict": false, "model.reinit_layers": 0, "model.pieces": "first", "model.pooling": "cls", "model.head": "linear", "model.hidden": [500, 250, 125], "model.activation": "relu", "model.head_dropout": null, "model.crf": false, "model.crf_constraints": true, "model.problem": "single_label", "model.threshold": 0.5, "model.heads": null, "train.epochs": 4, "train.batch_size": 8, "train.max_steps": null, "train.device_batch_size": null, "train.learning_rate": 1e-05, "train.head_learning_rate": null, "train.layer_decay": 1.0, "train.weight_decay": 0.0, "train.head_weight_decay": null, "train.freeze": "none", "train.top_layers": null, "train.lora": null, "train.warmup_ratio": 0.0, "train.schedule": "linear", "train.max_grad_norm": 1.0, "train.patience": null, "train.evaluate_every": "epoch", "train.label_smoothing": 0.0, "train.loss": "cross_entropy", "train.focal_gamma": 2.0, "train.balance": 0.0, "train.optimizer": "adamw_torch_fused", "train.beta1": 0.9, "train.beta2": 0.999, "train.epsilon": 1e-08, "train.batches": "grouped", "train.precision": "auto", "train.max_pieces": null, "train.overlap_pieces": 64, "train.truncate": "head", "protocol.repeat": null, "protocol.kfold": null, "protocol.final": "refit", "seed": 42}','complete','{"dev": {"f1": 0.50082, "loss": 1.0}}','2026-11-21T15:58:33.291+00:00',1.01767905800079461187e+00);
CREATE TABLE nertune_schema (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "nertune_schema" VALUES(1);
CREATE TABLE nertune_scores (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	split VARCHAR(16) NOT NULL, 
	label TEXT NOT NULL, 
	name VARCHAR(60) NOT NULL, 
	value FLOAT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES nertune_runs (id)
);
CREATE TABLE nertune_steps (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	epoch FLOAT NOT NULL, 
	split VARCHAR(16) NOT NULL, 
	name VARCHAR(60) NOT NULL, 
	value FLOAT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES nertune_runs (id)
);
INSERT INTO "nertune_steps" VALUES(1,1,1,1.0,'dev','f1',1.00081);
INSERT INTO "nertune_steps" VALUES(2,1,1,1.0,'dev','loss',1.0);
INSERT INTO "nertune_steps" VALUES(3,1,2,2.0,'dev','f1',1.00082);
INSERT INTO "nertune_steps" VALUES(4,1,2,2.0,'dev','loss',1.0);
INSERT INTO "nertune_steps" VALUES(5,2,1,1.0,'dev','f1',0.50081);
INSERT INTO "nertune_steps" VALUES(6,2,1,1.0,'dev','loss',1.0);
INSERT INTO "nertune_steps" VALUES(7,2,2,2.0,'dev','f1',0.50082);
INSERT INTO "nertune_steps" VALUES(8,2,2,2.0,'dev','loss',1.0);
CREATE TABLE nertune_studies (
	id INTEGER NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	task VARCHAR(20) NOT NULL, 
	identity JSON NOT NULL, 
	spec JSON NOT NULL, 
	output TEXT NOT NULL, 
	facts JSON NOT NULL, 
	created VARCHAR(32) NOT NULL, 
	owner JSON, 
	owner_seen FLOAT, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "nertune_studies" VALUES(1,'s','token','{"nertune": 1, "name": "s", "task": "token", "data.hub": null, "data.split": null, "data.size": 100.0, "data.format": "auto", "data.encoding": null, "data.columns": null, "data.header": "auto", "data.quoting": "auto", "data.separator": null, "data.words": "punctuation", "data.sentences": "lines", "data.misaligned": "widen", "data.nested": "outermost", "data.discontinuous": "join", "data.scheme": null, "data.tagging": "iob2", "data.labels": null, "data.keep": null, "data.rename": {}, "data.positive_label": null, "model.name": null, "model.tokenizer_options": {}, "model.lower_case": null, "model.config": {}, "model.checkpoint_strict": false, "model.reinit_layers": 0, "model.pieces": "first", "model.pooling": "cls", "model.head": "linear", "model.hidden": [500, 250, 125], "model.activation": "relu", "model.head_dropout": null, "model.crf": false, "model.crf_constraints": true, "model.threshold": 0.5, "model.heads": null, "train.epochs": 4, "train.max_steps": null, "train.device_batch_size": null, "train.head_learning_rate": null, "train.layer_decay": 1.0, "train.weight_decay": 0.0, "train.head_weight_decay": null, "train.freeze": "none", "train.top_layers": null, "train.lora": null, "train.warmup_ratio": 0.0, "train.schedule": "linear", "train.max_grad_norm": 1.0, "train.patience": null, "train.evaluate_every": "epoch", "train.label_smoothing": 0.0, "train.loss": "cross_entropy", "train.focal_gamma": 2.0, "train.balance": 0.0, "train.optimizer": "adamw_torch_fused", "train.beta1": 0.9, "train.beta2": 0.999, "train.epsilon": 1e-08, "train.batches": "grouped", "train.precision": "auto", "train.max_pieces": null, "train.overlap_pieces": 64, "train.truncate": "head", "train.callbacks": [], "stages": [], "search.sampler": "grid", "search.objective": "f1", "search.scores": [], "search.seed": 42, "search.sampler_seed": 0, "protocol.repeat": null, "protocol.kfold": null, "search.space": ["train.batch_size", "train.learning_rate"], "model.base": "nobody/none", "model.tokenizer": "nobody/none", "model.checkpoint": null, "data.train": "c96b47bf93126f2ea0e59d0b15926f67bcb9ec1b7f5daab122794ac963be89e1", "data.dev": "c48574ba2bc7f4cf87d52d7c00ac4b91a887a3bdddf5730af58463ae743cb6a1"}','{"nertune": 1, "name": "s", "task": "token", "data": {"dir": "@FOLDER@/data", "train": null, "dev": null, "test": null, "hub": null, "split": null, "size": 100.0, "format": "auto", "encoding": null, "columns": null, "header": "auto", "quoting": "auto", "separator": null, "tags": null, "words": "punctuation", "sentences": "lines", "misaligned": "widen", "nested": "outermost", "discontinuous": "join", "scheme": null, "tagging": "iob2", "labels": null, "keep": null, "rename": {}, "positive_label": null}, "model": {"name": null, "base": "nobody/none", "tokenizer": null, "tokenizer_options": {}, "lower_case": null, "config": {}, "checkpoint": null, "checkpoint_strict": false, "reinit_layers": 0, "pieces": "first", "pooling": "cls", "head": "linear", "hidden": [500, 250, 125], "activation": "relu", "head_dropout": null, "crf": false, "crf_constraints": true, "problem": "single_label", "threshold": 0.5, "heads": null}, "train": {"epochs": 4, "batch_size": 16, "max_steps": null, "device_batch_size": null, "learning_rate": 5e-05, "head_learning_rate": null, "layer_decay": 1.0, "weight_decay": 0.0, "head_weight_decay": null, "freeze": "none", "top_layers": null, "lora": null, "warmup_ratio": 0.0, "schedule": "linear", "max_grad_norm": 1.0, "patience": null, "evaluate_every": "epoch", "label_smoothing": 0.0, "loss": "cross_entropy", "focal_gamma": 2.0, "balance": 0.0, "optimizer": "adamw_torch_fused", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-08, "batches": "grouped", "precision": "auto", "max_pieces": null, "overlap_pieces": 64, "truncate": "head", "callbacks": []}, "stages": [], "search": {"sampler": "grid", "trials": null, "timeout": null, "patience": null, "objective": "f1", "scores": [], "seed": 42, "sampler_seed": 0, "space": {"train.batch_size": [8, 16], "train.learning_rate": [0.0001, 1e-05]}}, "protocol": {"repeat": null, "kfold": null, "final": "refit"}, "final": {"seeds": [1, 2, 3, 4, 5], "candidates": 1, "sizes": [], "train_with_dev": false}, "execute": {"kind": "processes", "workers": "auto", "threads": "auto", "devices": "auto", "trial_timeout": null, "hang_after": 120.0, "frozen_cache": 8.0}, "output": "@FOLDER@/runs/s", "storage": "@FOLDER@/nertune.db", "track": {"aim": null, "tensorboard": false, "wandb": null}}','@FOLDER@/runs/s','{"threads": 2, "precision": "fp32", "model_type": "stub", "step_seconds": {"fp32": 0.001}, "pieces_per_window": 10.0, "versions": {}, "search_seconds": 3.327686905002338, "best": {"cell": 0, "digest": "45b8e224fd0c7bf46c33ed766920509ded6604e56a7144516c8020f0324a3973"}}','2026-11-21T15:58:30.961+00:00','{"host": "laptop", "pid": 13026, "started": 1000.0}',1000.0);
CREATE INDEX ix_nertune_cells_study_id ON nertune_cells (study_id);
CREATE INDEX ix_nertune_attempts_cell_id ON nertune_attempts (cell_id);
CREATE INDEX ix_nertune_runs_study_id ON nertune_runs (study_id);
CREATE INDEX ix_nertune_runs_attempt_id ON nertune_runs (attempt_id);
CREATE INDEX ix_nertune_steps_run_id ON nertune_steps (run_id);
CREATE INDEX ix_nertune_scores_run_id ON nertune_scores (run_id);
