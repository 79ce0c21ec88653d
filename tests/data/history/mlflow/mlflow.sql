CREATE TABLE "experiments" (
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	artifact_location VARCHAR(256), 
	lifecycle_stage VARCHAR(32), 
	creation_time BIGINT, 
	last_update_time BIGINT, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
	CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
INSERT INTO "experiments" VALUES(0,'Default','/srv/runs/mlruns/0','active',1795945973338,1795945973338,'default');
INSERT INTO "experiments" VALUES(1,'digits','/srv/runs/mlruns/1','active',1795945973381,1795945973381,'default');
CREATE TABLE "metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	step BIGINT DEFAULT '0' NOT NULL, 
	is_nan BOOLEAN DEFAULT '0' NOT NULL, 
	CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "metrics" VALUES('val/accuracy',0.51,1795945973567,'7ee330eef5b2487db1930722f5e85748',1,0);
INSERT INTO "metrics" VALUES('val/accuracy',0.52,1795945973600,'7ee330eef5b2487db1930722f5e85748',2,0);
INSERT INTO "metrics" VALUES('val/accuracy',0.53,1795945973645,'7ee330eef5b2487db1930722f5e85748',3,0);
INSERT INTO "metrics" VALUES('val/accuracy',0.51,1795945973802,'4ad05b5786ac496eb9107feee5a1f1c7',1,0);
INSERT INTO "metrics" VALUES('val/accuracy',0.52,1795945973845,'4ad05b5786ac496eb9107feee5a1f1c7',2,0);
INSERT INTO "metrics" VALUES('val/accuracy',0.53,1795945973881,'4ad05b5786ac496eb9107feee5a1f1c7',3,0);
INSERT INTO "metrics" VALUES('val/accuracy',0.51,1795945974012,'e6bf10ec3f5e46049fa6c8e365b2d205',1,0);
INSERT INTO "metrics" VALUES('val/accuracy',0.52,1795945974037,'e6bf10ec3f5e46049fa6c8e365b2d205',2,0);
INSERT INTO "metrics" VALUES('val/accuracy',0.53,1795945974064,'e6bf10ec3f5e46049fa6c8e365b2d205',3,0);
INSERT INTO "metrics" VALUES('val/accuracy',0.0,1795945974199,'afe6b5d1d9384c18901dad29e319c9de',1,1);
INSERT INTO "metrics" VALUES('val/accuracy',0.0,1795945974241,'afe6b5d1d9384c18901dad29e319c9de',2,1);
INSERT INTO "metrics" VALUES('val/accuracy',0.0,1795945974281,'afe6b5d1d9384c18901dad29e319c9de',3,1);
INSERT INTO "metrics" VALUES('val/accuracy',0.9,1795945974488,'c8b0c3e304674486a3a70e8984a07123',0,0);
CREATE TABLE "params" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000) NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "params" VALUES('train.rate','0.01','7ee330eef5b2487db1930722f5e85748');
INSERT INTO "params" VALUES('optimizer','adam','7ee330eef5b2487db1930722f5e85748');
INSERT INTO "params" VALUES('layers','0','7ee330eef5b2487db1930722f5e85748');
INSERT INTO "params" VALUES('norm','True','7ee330eef5b2487db1930722f5e85748');
INSERT INTO "params" VALUES('train.rate','0.1','4ad05b5786ac496eb9107feee5a1f1c7');
INSERT INTO "params" VALUES('optimizer','adam','4ad05b5786ac496eb9107feee5a1f1c7');
INSERT INTO "params" VALUES('layers','1','4ad05b5786ac496eb9107feee5a1f1c7');
INSERT INTO "params" VALUES('norm','True','4ad05b5786ac496eb9107feee5a1f1c7');
INSERT INTO "params" VALUES('train.rate','0.001','e6bf10ec3f5e46049fa6c8e365b2d205');
INSERT INTO "params" VALUES('optimizer','adam','e6bf10ec3f5e46049fa6c8e365b2d205');
INSERT INTO "params" VALUES('layers','2','e6bf10ec3f5e46049fa6c8e365b2d205');
INSERT INTO "params" VALUES('norm','True','e6bf10ec3f5e46049fa6c8e365b2d205');
INSERT INTO "params" VALUES('train.rate','0.5','afe6b5d1d9384c18901dad29e319c9de');
INSERT INTO "params" VALUES('optimizer','adam','afe6b5d1d9384c18901dad29e319c9de');
INSERT INTO "params" VALUES('layers','3','afe6b5d1d9384c18901dad29e319c9de');
INSERT INTO "params" VALUES('norm','True','afe6b5d1d9384c18901dad29e319c9de');
INSERT INTO "params" VALUES('folds','1','b5a7a92882fc433daf82ce39b1adfac0');
INSERT INTO "params" VALUES('train.rate','0.2','c8b0c3e304674486a3a70e8984a07123');
INSERT INTO "params" VALUES('optimizer','sgd','c8b0c3e304674486a3a70e8984a07123');
INSERT INTO "params" VALUES('layers','2','c8b0c3e304674486a3a70e8984a07123');
CREATE TABLE "runs" (
	run_uuid VARCHAR(32) NOT NULL, 
	name VARCHAR(250), 
	source_type VARCHAR(20), 
	source_name VARCHAR(500), 
	entry_point_name VARCHAR(50), 
	user_id VARCHAR(256), 
	status VARCHAR(9), 
	start_time BIGINT, 
	end_time BIGINT, 
	source_version VARCHAR(50), 
	lifecycle_stage VARCHAR(20), 
	artifact_uri VARCHAR(200), 
	experiment_id INTEGER, deleted_time BIGINT, 
	CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
INSERT INTO "runs" VALUES('7ee330eef5b2487db1930722f5e85748','run-0','UNKNOWN','','','root','FINISHED',1795945973447,1795945973681,'','active','/srv/runs/mlruns/1/7ee330eef5b2487db1930722f5e85748/artifacts',1,NULL);
INSERT INTO "runs" VALUES('4ad05b5786ac496eb9107feee5a1f1c7','run-1','UNKNOWN','','','root','FAILED',1795945973711,1795945973913,'','active','/srv/runs/mlruns/1/4ad05b5786ac496eb9107feee5a1f1c7/artifacts',1,NULL);
INSERT INTO "runs" VALUES('e6bf10ec3f5e46049fa6c8e365b2d205','run-2','UNKNOWN','','','root','KILLED',1795945973938,1795945974094,'','active','/srv/runs/mlruns/1/e6bf10ec3f5e46049fa6c8e365b2d205/artifacts',1,NULL);
INSERT INTO "runs" VALUES('afe6b5d1d9384c18901dad29e319c9de','run-3','UNKNOWN','','','root','FINISHED',1795945974124,1795945974313,'','active','/srv/runs/mlruns/1/afe6b5d1d9384c18901dad29e319c9de/artifacts',1,NULL);
INSERT INTO "runs" VALUES('b5a7a92882fc433daf82ce39b1adfac0','parent','UNKNOWN','','','root','FINISHED',1795945974346,1795945974541,'','active','/srv/runs/mlruns/1/b5a7a92882fc433daf82ce39b1adfac0/artifacts',1,NULL);
INSERT INTO "runs" VALUES('c8b0c3e304674486a3a70e8984a07123','child','UNKNOWN','','','root','FINISHED',1795945974422,1795945974518,'','active','/srv/runs/mlruns/1/c8b0c3e304674486a3a70e8984a07123/artifacts',1,NULL);
INSERT INTO "runs" VALUES('e8ea771c8572477bbfc90e1b4005a4c0','auspicious-deer-155','UNKNOWN','','','unknown','RUNNING',1795945974597,NULL,'','active','/srv/runs/mlruns/1/e8ea771c8572477bbfc90e1b4005a4c0/artifacts',1,NULL);
