"""What the user asked: study file -> StudySpec."""
